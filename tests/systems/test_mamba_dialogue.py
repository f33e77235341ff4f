"""Mamba fusion in its dialogue: the five inherited tests, what each context may see, speakers, planted dialogues."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.systems import Batch
from merc.systems.mamba_dialogue import MambaDialogue, MambaDialogueOptions

from .contract import CLASSES, SystemContract, made_batch, with_vectors
from .planted import World, accuracy, built, dialogues, trained

SMALL = MambaDialogueOptions(d_model=16, d_state=8, dropout=0.1)
LENGTHS = (6, 4, 1)


class TestMambaDialogue(SystemContract):
    system = MambaDialogue
    options = SMALL
    rate = 1e-2
    steps = 80


class TestMambaDialogueOfThePast(SystemContract):
    system = MambaDialogue
    options = replace(SMALL, context="past", same_speaker=False, turn_change=False)
    rate = 1e-2
    steps = 80


class TestMambaDialogueWithoutContextOrResidual(SystemContract):
    system = MambaDialogue
    options = replace(SMALL, context="none", residual=False)
    rate = 1e-2
    steps = 80


def made(**changes):
    torch.manual_seed(0)
    return MambaDialogue({"text": 12}, CLASSES, replace(SMALL, **changes)).eval()


def moved(system, turn):
    """Whether the logits of each turn of the first dialogue change with what is said at one of them."""
    batch = made_batch({"text": 12}, LENGTHS)
    other, _ = batch.vectors("text")
    other[0, turn] += 1.0
    with torch.no_grad():
        before, after = system(batch).logits[0], system(with_vectors(batch, text=other)).logits[0]
    return [bool((one != two).any()) for one, two in zip(before, after, strict=True)]


@pytest.mark.parametrize(
    ("context", "seen"),
    [
        ("none", [False, False, False, True, False, False]),
        ("past", [False, False, False, True, True, True]),
        ("both", [True] * 6),
    ],
)
@pytest.mark.parametrize("own", [True, False])
def test_a_turn_reaches_only_the_turns_that_may_see_it(context, seen, own):
    assert moved(made(context=context, same_speaker=own, dropout=0.0), turn=3) == seen


def test_four_blocks_of_one_size_read_the_dialogue():
    system = MambaDialogue({"text": 768, "voice": 47}, 4)
    assert sorted(system.context) == ["future", "own_future", "own_past", "past"]
    for block in system.context.values():
        assert sum(parameter.numel() for parameter in block.parameters()) == 116_480


def test_without_context_a_dialogue_is_read_as_its_utterances():
    system, batch = made(context="none"), made_batch({"text": 12}, (6,))
    alone = Batch.of({"text": batch.vectors("text")[0].reshape(6, 1, 12)})
    with torch.no_grad():
        torch.testing.assert_close(system(alone).logits[:, 0], system(batch).logits[0])


def test_the_numbers_of_speakers_mean_nothing():
    system, batch = made(), made_batch({"text": 12}, LENGTHS)
    renamed = replace(batch, speakers=(2 - batch.speakers).masked_fill(~batch.mask, 0))
    regrouped = replace(batch, speakers=torch.zeros_like(batch.speakers))
    with torch.no_grad():
        logits = system(batch).logits[batch.mask]
        torch.testing.assert_close(system(renamed).logits[batch.mask], logits)
        assert not torch.allclose(system(regrouped).logits[batch.mask], logits)


def test_an_utterance_without_any_modality_is_still_a_turn():
    batch = made_batch({"text": 12}, LENGTHS).without("text")
    with torch.no_grad():
        assert torch.isfinite(made()(batch).logits[batch.mask]).all()


def test_evidence_that_stands_in_the_turn_before_needs_the_past():
    world = World(classes=4, widths={"text": 8}, noise=0.3, lag=1, seed=5)
    train, test = dialogues(world, 96, seed=0), dialogues(world, 48, seed=1)
    alone, past = (
        trained(
            built(MambaDialogue, world, replace(SMALL, context=context, same_speaker=False)),
            train,
            epochs=12,
            rate=1e-2,
        )
        for context in ("none", "past")
    )
    assert accuracy(past, test) > 0.85 > 0.5 > accuracy(alone, test)


def test_evidence_in_the_speakers_own_last_turn_is_found_sooner_by_following_each_speaker():
    world = World(classes=4, widths={"text": 8}, noise=0.3, lag=1, lag_within_speaker=True, switch=0.5, seed=6)
    train, test = dialogues(world, 96, seed=0), dialogues(world, 48, seed=1)
    without, own = (
        trained(
            built(MambaDialogue, world, replace(SMALL, context="past", same_speaker=own)), train, epochs=12, rate=1e-2
        )
        for own in (False, True)
    )
    assert accuracy(own, test) > accuracy(without, test) + 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"context": "future"}, "mamba_dialogue: context is 'future': expected one of none, past, both"),
        ({"dropout": 1.0}, "dropout is 1.0: expected 0 to below 1"),
        ({"d_model": 0}, "d_model is 0"),
    ],
)
def test_bad_options(change, message):
    with pytest.raises(InputError, match=message):
        MambaDialogueOptions(**change)
