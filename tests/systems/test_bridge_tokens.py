"""Bridge tokens: the five inherited tests, CCC's fixtures, masking, what the bridges read, both tasks on one trunk."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from merc.errors import InputError
from merc.evaluation.metrics import ccc
from merc.evaluation.protocol import PROTOCOLS
from merc.nn.losses import concordance_loss
from merc.systems import Batch, Rows
from merc.systems.bridge_tokens import BridgeTokens, BridgeTokensOptions
from tests.evaluation.made_corpora import iemocap

from .contract import CLASSES, SystemContract, made_batch
from .planted import World, dialogues, only

SMALL = BridgeTokensOptions(width=16, bridges=3, heads=2, masking=0.0, dropout=0.0)
WIDTHS = {"text": 12, "voice": 7}


class TestBridgeTokens(SystemContract):
    system = BridgeTokens
    options = SMALL
    lengths = (5, 3, 1)
    rate = 1e-2
    steps = 25


class TestBridgeTokensThatReadAllAtOnce(SystemContract):
    system = BridgeTokens
    options = replace(SMALL, joined=True, refinement=0)
    lengths = (5, 3, 1)
    rate = 1e-2
    steps = 25


def made(dimensions: int = 0, **changes: object) -> BridgeTokens:
    torch.manual_seed(0)
    return BridgeTokens(WIDTHS, CLASSES, replace(SMALL, **changes), dimensions=dimensions).eval()  # type: ignore[arg-type]


def batch(lengths: tuple[int, ...] = (5, 3, 1)) -> Batch:
    return made_batch(WIDTHS, lengths, level="utterance")


def test_ccc_of_known_lists() -> None:
    values = torch.tensor([[1.0], [2.0], [3.0]])
    assert float(concordance_loss(values, values)) == pytest.approx(0, abs=1e-6)
    assert 1 - float(concordance_loss(values, values + 1)) == pytest.approx(0.571429, abs=1e-6)
    centred = values - 2
    assert float(concordance_loss(-centred, centred)) == pytest.approx(2, abs=1e-6)
    constant = torch.zeros(3, 1, requires_grad=True)
    loss = concordance_loss(constant, values)
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1) and constant.grad is not None
    assert torch.isfinite(constant.grad).all()
    assert ccc(values[:, 0].numpy(), (values[:, 0] + 1).numpy()) == pytest.approx(0.571429, abs=1e-6)


def test_bridges_give_mass_to_each_modality_and_gradients_reach_both_encoders() -> None:
    system, given = made(joined=True), batch()
    seen: list[torch.Tensor] = []
    for layer in system.read.layers:
        layer.cross.register_forward_pre_hook(  # type: ignore[union-attr]
            lambda module, read, more: seen.append(module.weights(*read[:2], **more)), with_kwargs=True
        )
    system(given)
    voice = given.steps("voice")[1].shape[1]
    assert len(seen) == 2
    for weights in seen:  # (n, heads, K, steps of voice and text)
        assert (weights[..., :voice].sum(-1) > 0).all() and (weights[..., voice:].sum(-1) > 0).all()
        torch.testing.assert_close(weights.sum(-1), torch.ones_like(weights[..., 0]))
    for one in (system, made()):
        one(given).loss.backward()
        for name, parameters in one.encoders().items():
            assert all(parameter.grad is not None and bool(parameter.grad.any()) for parameter in parameters), name


@pytest.mark.parametrize("joined", [False, True])
def test_masking_one_modality_leaves_a_finite_and_different_output(joined: bool) -> None:
    system, given = made(dimensions=3, joined=joined), batch()
    whole = system(given)
    for name in WIDTHS:
        less = system(given.without(name))
        assert torch.isfinite(less.logits).all() and torch.isfinite(less.values).all()
        assert ((less.logits - whole.logits).abs().amax(-1) > 1e-4).all()
        assert ((less.values - whole.values).abs().amax(-1) > 1e-4).all()


def test_random_masking_takes_its_share_and_never_all_of_an_utterance() -> None:
    many = made_batch(WIDTHS, (2,) * 400, level="utterance").to("cpu")
    lone = replace(many, rows={**many.rows, "voice": many.rows["voice"].where(torch.arange(400)[:, None] % 2 == 0)})
    system = made(masking=0.4)
    torch.manual_seed(3)
    masked = system.masked(lone)
    text, voice = masked.present("text")[:, 0], masked.present("voice")[:, 0]
    assert (text | voice).all()
    assert text[1::2].all(), "the only modality of an utterance is never taken"
    share = 1 - torch.stack([text[::2], voice[::2]]).float().mean()
    assert 0.15 < float(share) < 0.35  # 0.4 less the pairs that stay: 0.4 - 0.16
    assert torch.equal(masked.rows["text"].values, lone.rows["text"].where(masked.present("text")).values)


def test_the_share_of_masking_is_that_of_a_modality() -> None:
    """Of three modalities one is lost with 0.1 less the triples that stay; the complement, 0.9, would take 0.17."""
    widths = {"text": 12, "voice": 7, "face": 5}
    system = BridgeTokens(widths, CLASSES, replace(SMALL, masking=0.1))
    torch.manual_seed(0)
    masked = system.masked(made_batch(widths, (1,) * 600, level="utterance"))
    lost = 1 - torch.stack([masked.present(name) for name in widths]).float().mean()
    assert 0.07 < float(lost) < 0.13


def test_masking_acts_in_training_alone() -> None:
    system, given = made(masking=0.5), batch((5,) * 12)
    assert torch.equal(system(given).logits, system(given).logits)
    system.train()
    torch.manual_seed(0)
    assert not torch.equal(system(given).logits, system(given).logits)
    plain = made(masking=0.0).train()
    assert torch.equal(plain(given).logits, plain(given).logits)


def test_both_losses_reach_the_bridges_and_the_shared_trunk() -> None:
    """The gradient of the trunk under both tasks is the sum of those of each alone."""
    given = batch((5, 4, 3, 2))
    found = {}
    for task in ("classes", "values", "both"):
        system = made(dimensions=2)
        output = system(given)
        values = concordance_loss(output.values[:, 0], given.targets[:, 0])
        losses = {"classes": output.loss, "values": values, "both": output.loss + values}
        losses[task].backward()
        found[task] = [one.grad.clone() for one in [system.read.queries, *system.enter.parameters()]]  # type: ignore[union-attr]
    for classes, values, both in zip(*found.values(), strict=True):
        assert bool(classes.any()) and bool(values.any())
        torch.testing.assert_close(both, classes + values, atol=1e-6, rtol=1e-4)


def test_classes_and_values_come_from_one_layer_in_the_unit_of_the_targets() -> None:
    system, given = made(dimensions=3), batch()
    system.target_mean.fill_(3.0)
    system.target_deviation.fill_(0.5)
    output = system(given)
    fused = output.extras["fused"]
    last = system.last(fused)
    torch.testing.assert_close(output.logits, last[..., :CLASSES])
    torch.testing.assert_close(output.values, last[..., CLASSES:] * 0.5 + 3)


def test_every_bridge_counts_in_the_mean() -> None:
    system, given = made(), batch()
    torch.testing.assert_close(
        system(given).extras["fused"][:, 0],
        system.read(system._sequences({name: system._refined(name, *given.steps(name)) for name in system.order})).mean(
            1
        ),
    )
    assert system.read.queries.shape == (3, 16) and system.order == ["voice", "text"]
    before = system(given).logits
    with torch.no_grad():
        system.read.queries[2].normal_()
    assert not torch.allclose(system(given).logits, before, atol=1e-4)


def test_the_order_of_steps_is_known_and_refinement_mixes_them() -> None:
    system, given = made(), batch((4,))
    rows = given.rows["text"]
    turned = replace(given, rows={**given.rows, "text": Rows(rows.values.flip(0), rows.lengths)})
    assert not torch.allclose(system(turned).logits, system(given).logits, atol=1e-5)
    steps, keep = given.steps("text")
    other = steps.clone()
    other[:, 0] = torch.randn(12)
    moved = (system._refined("text", other, keep)[0] - system._refined("text", steps, keep)[0]).abs().sum(-1)[0]
    assert (moved > 1e-5).all()
    plain = made(refinement=0)
    moved = (plain._refined("text", other, keep)[0] - plain._refined("text", steps, keep)[0]).abs().sum(-1)[0]
    assert moved[0] > 1e-5 and (moved[1:] == 0).all()


def test_ten_speakers_are_tested_once_each_with_eight_in_training() -> None:
    """Eight, one and one; the partner of the test speaker's session validates (which speaker is not in the source)."""
    rated = [
        replace(c, utterances=tuple(replace(u, scores={"val": 2.0, "act": 3.0, "dom": 4.0}) for u in c))
        for c in iemocap()
    ]
    who = {turn.id: turn.speaker for one in rated for turn in one}
    folds = PROTOCOLS["iemocap4-dimensions"].folds(rated)
    tested = [{who[name] for name in fold.test.ids} for fold in folds]
    assert len(folds) == 10 and all(len(one) == 1 for one in tested) and len(set.union(*tested)) == 10
    for fold, own in zip(folds, tested, strict=True):
        valid, train = ({who[name] for name in part.ids} for part in (fold.valid, fold.train))
        assert (len(train), len(valid)) == (8, 1) and not own & valid and not (own | valid) & train
        assert {name[:5] for name in own} == {name[:5] for name in valid}  # of one session


def planted(world: World, count: int, seed: int) -> list[Batch]:
    """Single utterances of a world, whose two values are a class's place on a square."""
    places = torch.tensor([[-1.0, -1.0], [-1.0, 1.0], [1.0, -1.0], [1.0, 1.0]])
    found = []
    for one in dialogues(world, count, seed=seed):
        rows = {name: Rows(rows.values, rows.lengths[one.mask][:, None]) for name, rows in one.rows.items()}
        labels = one.labels[one.mask][:, None]
        found.append(Batch.of(rows, torch.ones_like(labels, dtype=torch.bool), labels=labels, targets=places[labels]))
    return found


def test_classes_and_values_together_need_both_modalities() -> None:
    world = World(alike={"text": [(2, 3)], "voice": [(0, 1)]}, widths=WIDTHS, noise=0.5)
    train, test = planted(world, 48, seed=1), planted(world, 32, seed=2)

    def figures(train: list[Batch], test: list[Batch]) -> tuple[float, float]:
        system = made(dimensions=2, refinement=0, masking=0.1).train()
        optimiser = torch.optim.Adam(system.parameters(), 5e-3)
        torch.manual_seed(1)
        for _ in range(8):
            for one in train:
                optimiser.zero_grad()
                output = system(one)
                (output.loss + concordance_loss(output.values[:, 0], one.targets[:, 0])).backward()
                optimiser.step()
        system.eval()
        with torch.no_grad():
            given = [(system(one), one) for one in test]
        hits = torch.cat([(output.logits.argmax(-1) == one.labels).flatten() for output, one in given])
        values, targets = (
            torch.cat(column)[:, 0] for column in zip(*((o.values, b.targets) for o, b in given), strict=True)
        )
        return float(hits.float().mean()), 1 - float(concordance_loss(values, targets))

    both = figures(train, test)
    alone = [figures(only(train, name), only(test, name)) for name in WIDTHS]
    assert both[0] > max(one[0] for one in alone) + 0.1 and both[1] > max(one[1] for one in alone) + 0.05


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bridges": 0}, "bridge_tokens: bridges is 0: expected at least 1"),
        ({"masking": 1.0}, "bridge_tokens: masking is 1.0: expected 0 to below 1"),
        ({"refinement": -1}, "bridge_tokens: refinement is -1: expected at least 0"),
    ],
)
def test_bad_options(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        BridgeTokensOptions(**change)  # type: ignore[arg-type]


def test_a_width_that_the_heads_do_not_divide_is_named() -> None:
    with pytest.raises(InputError, match="attention: width 16 over 3 heads"):
        made(heads=3)
