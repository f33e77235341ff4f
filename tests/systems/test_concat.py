"""Concatenation fusion: the checks of its card, and the leak that an utterance-random split opens."""

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.systems import SYSTEMS
from merc.systems.concat import Concat, ConcatOptions

from . import planted_stores
from .contract import CLASSES, SystemContract, made_batch
from .planted import World, accuracy, built, dialogues, only, trained


class TestConcat(SystemContract):
    system = Concat


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("inputs", [{"text": 768}, {"text": 768, "voice": 47}, {"text": 9, "voice": 6, "face": 17}])
def test_parameter_count_formula(inputs, layers):
    width, system = 32, Concat(inputs, 6, ConcatOptions(width=32, layers=layers))
    encoders = sum(width * wide + width for wide in inputs.values()) + len(inputs) * (layers - 1) * width * (width + 1)
    encoders += len(inputs) * layers * 2 * width  # of the normalisation
    expected = encoders + len(inputs) * width * width + width + width * 6 + 6
    assert sum(parameter.numel() for parameter in system.parameters()) == expected


def test_permuting_modalities_and_weights_gives_equal_output():
    first = Concat({"text": 6, "voice": 6, "face": 6}, CLASSES).eval()
    second = Concat({"text": 6, "voice": 6, "face": 6}, CLASSES).eval()
    new = {"text": "face", "voice": "text", "face": "voice"}  # what is read under another name
    for old, name in new.items():
        second.encode[name].load_state_dict(first.encode[old].state_dict())
    state = first.fuse[0].state_dict()
    columns = dict(zip(first.inputs, state["weight"].chunk(3, 1), strict=True))
    back = {name: old for old, name in new.items()}
    weight = torch.cat([columns[back[name]] for name in second.inputs], 1)
    second.fuse[0].load_state_dict({"weight": weight, "bias": state["bias"]})
    second.label.load_state_dict(first.label.state_dict())
    batch = made_batch({"text": 6, "voice": 6, "face": 6}, (4, 2))
    moved = replace(batch, rows={name: batch.rows[old] for old, name in new.items()})
    torch.testing.assert_close(second(moved).logits, first(batch).logits)


def test_order_in_which_inputs_are_named_does_not_matter():
    torch.manual_seed(3)
    first = Concat({"text": 6, "voice": 4}, CLASSES).eval()
    torch.manual_seed(3)
    second = Concat({"voice": 4, "text": 6}, CLASSES).eval()
    batch = made_batch({"text": 6, "voice": 4}, (3,))
    assert torch.equal(first(batch).logits, second(batch).logits)


def test_absent_modality_adds_nothing_and_modality_dropout_acts_in_training_only():
    system = Concat({"text": 6, "voice": 4}, CLASSES, ConcatOptions(modality_dropout=0.9, dropout=0.0))
    batch = made_batch({"text": 6, "voice": 4}, (5, 5))
    system.eval()
    assert torch.equal(system(batch).logits, system(batch).logits)
    assert not system(batch.without("voice")).representations["voice"].any()
    system.train()
    torch.manual_seed(0)
    assert (system(batch).representations["text"].abs().sum(-1) == 0).float().mean() > 0.5


def test_each_modality_has_weights_of_its_own_in_the_fusion():
    torch.manual_seed(0)
    system, batch = Concat({"text": 6, "voice": 4}, CLASSES).eval(), made_batch({"text": 6, "voice": 4}, (5, 5))
    whole = system(batch).logits
    with torch.no_grad():
        system.fuse[0].weight.chunk(2, 1)[1].zero_()  # those of voice
    assert torch.equal(system(batch).logits, system(batch.without("voice")).logits)
    assert not torch.allclose(system(batch).logits, whole)
    assert not torch.allclose(system(batch).logits, system(batch.without("text")).logits)


def test_a_modality_alone_carries_a_class_pair():
    world = World(alike={"text": [(2, 3)], "voice": [(0, 1)]}, widths={"text": 12, "voice": 7}, noise=0.7)
    train, test = dialogues(world, 64, seed=1), dialogues(world, 48, seed=2)
    both = accuracy(trained(built(Concat, world), train), test)
    alone = [accuracy(trained(built(Concat, world, names=[name]), only(train, name)), test) for name in world.widths]
    assert both > max(alone) + 0.1


def test_utterance_random_split_leaks_what_a_dialogue_shares():
    """With a nuisance vector of the dialogue and one class for most of it, knowing the dialogue is enough."""
    world = World(classes=4, widths={"text": 24}, noise=1.0, dialogue_bias=4.0, inertia=0.97, contagion=0.97)
    whole = dialogues(world, 60, seed=5)
    test = dialogues(world, 60, seed=6)
    generator = torch.Generator().manual_seed(0)
    train, held = [], []
    for batch in whole:
        kept = torch.rand(batch.mask.shape, generator=generator) < 0.7
        labels = [batch.labels.masked_fill(~chosen, -1) for chosen in (kept, ~kept)]
        for where, part in zip((train, held), labels, strict=True):
            where.append(replace(batch, labels=part))
    system = trained(built(Concat, world), train, epochs=60)
    random_split, honest = accuracy(system, held), accuracy(system, test)
    assert random_split > honest + 0.15


def test_it_beats_each_modality_alone_on_a_planted_corpus(tmp_path):
    planted_stores.wins("concat", tmp_path, margin=0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"width": 0}, "concat: width is 0: expected at least 1"),
        ({"dropout": 1.0}, "concat: dropout is 1.0: expected 0 to below 1"),
        ({"modality_dropout": -0.1}, "modality_dropout is -0.1: expected 0 to below 1"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        ConcatOptions(**options)


def test_registered_and_names_what_it_cannot_read():
    assert SYSTEMS.get("concat") is Concat
    with pytest.raises(InputError, match=r"system 'concat' cannot read smell; it reads text, voice, face, motion"):
        Concat({"smell": 3}, CLASSES)
