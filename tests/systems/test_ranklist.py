"""RankList: the five inherited tests, its loss from scores to lists, exposure, units, and planted orders."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from merc.errors import InputError
from merc.evaluation.metrics import kendall_tau, ranking_accuracy
from merc.nn.losses import concordance_loss, squared_error
from merc.nn.ranking import in_lists, listmle, listnet, ranklist, ranknet
from merc.systems import Batch
from merc.systems.ranklist import LOSSES, RankList, RankListOptions

from .contract import SystemContract, made_batch, order

SMALL = {"width": 16, "dropout": 0.0}
OPTIONS = RankListOptions(base_options=SMALL, length=6)


class TestRankList(SystemContract):
    system = RankList
    options = OPTIONS
    rate = 1e-2
    steps = 80


class TestRankListOfADialogueScorer(SystemContract):
    system = RankList
    options = RankListOptions(
        base="mamba_dialogue", base_options={"d_model": 16, "d_state": 4, "dropout": 0.0}, length=6
    )
    rate = 1e-2
    steps = 60


def made(dimensions: int = 2, **changes: object) -> RankList:
    torch.manual_seed(0)
    options = replace(OPTIONS, **changes)  # type: ignore[arg-type]
    return RankList({"text": 12}, 0, options, dimensions=dimensions).eval()


def batch(lengths: tuple[int, ...] = (5, 4, 3)) -> Batch:
    return made_batch({"text": 12}, lengths)


@pytest.mark.parametrize("loss", LOSSES)
def test_the_loss_is_that_of_the_scores_in_lists(loss: str) -> None:
    system, given = made(loss=loss, growth=0, first=2), batch()
    scores, targets = system.base(given).values[given.mask], given.targets[given.mask]
    listed, wanted = in_lists(scores, 6), in_lists(targets, 6)
    assert listed.shape == (4, 6)  # twelve rows of two dimensions
    expected = {
        "ranklist": lambda: ranklist(listed, wanted, skips=2) / 2,
        "ranknet": lambda: ranknet(listed, wanted),
        "listnet": lambda: listnet(listed, wanted, temperature=0.5),
        "listmle": lambda: listmle(listed, wanted),
        "ccc": lambda: concordance_loss(scores, targets),
        "mse": lambda: squared_error(scores, targets),
    }[loss]
    torch.testing.assert_close(system(given).losses["values"], expected())


def test_margin_form_and_weights_reach_the_loss() -> None:
    given, values = batch(), []
    for change in ({}, {"margin": 0.3}, {"form": "sum"}, {"weights": "decay"}, {"length": 4}, {"lists": "dialogue"}):
        values.append(round(float(made(first=3, **change)(given).loss.detach()), 6))
    assert len(set(values)) == len(values)
    assert float(made(margin=9.0)(given).loss) == 0
    assert float(made(loss="ranknet", margin=9.0)(given).loss) == 0
    assert float(made(loss="listnet", temperature=2.0)(given).loss) != float(made(loss="listnet")(given).loss)


def test_skips_are_exposed_over_the_epochs_up_to_all_pairs() -> None:
    system = made(first=1, growth=2)
    seen = []
    for epoch in range(1, 6):
        system.begin_epoch(epoch)
        seen.append(system.skips)
    assert seen == [1, 3, 5, 5, 5]
    fixed = made(first=2, growth=0)
    fixed.begin_epoch(9)
    assert fixed.skips == 2
    given = batch()
    system.begin_epoch(1)
    close = float(system(given).loss)
    system.begin_epoch(3)
    assert float(system(given).loss) != close


def test_lists_of_a_dialogue_compare_no_two_dialogues() -> None:
    """Ratings that differ between dialogues alone make pairs only where lists are mixed."""
    given = batch((5, 4))
    between = replace(given, targets=torch.arange(2.0)[:, None, None].expand_as(given.targets))
    assert float(made(lists="dialogue")(between).loss) == 0
    assert float(made(lists="mixed")(between).loss) > 0


def test_lists_are_drawn_anew_in_training_and_padding_is_in_none() -> None:
    system, given = made(length=3), batch((5, 1))
    assert float(system(given).loss) == float(system(given).loss)
    extreme = given.targets.clone()
    extreme[1, 1:] = math.nan
    padded = replace(given, targets=extreme)
    assert float(system(padded).loss) == float(system(given).loss)
    system.train()
    torch.manual_seed(0)
    assert len({float(system(given).loss.detach()) for _ in range(5)}) > 1


def test_an_unrated_utterance_is_scored_but_teaches_nothing() -> None:
    given = batch((5,))
    targets = given.targets.clone()
    targets[0, 2] = math.nan
    system, partly = made(), replace(given, targets=targets)
    vectors, present = given.vectors("text")
    moved = vectors.clone()
    moved[0, 2] += 3
    other = replace(partly, rows={"text": type(given.rows["text"]).of_vectors(moved, present)})
    assert float(system(other).loss) == float(system(partly).loss)
    assert torch.isfinite(system(partly).values).all()
    single = replace(given, targets=torch.full_like(targets, math.nan))
    assert not system(single).losses


def test_scores_are_brought_to_the_unit_of_the_ratings_by_running_figures() -> None:
    system, given = made(), batch((60,))
    system.target_mean.fill_(3.0)
    system.target_deviation.fill_(0.5)
    loss = float(system(given).loss)
    raw = system.base(given).values
    torch.testing.assert_close(system(given).values, raw * 0.5 + 3)
    system.train()
    for _ in range(120):
        system(given)
    system.eval()
    values = system(given).values[given.mask]
    torch.testing.assert_close(values.mean(0), torch.full((2,), 3.0), atol=1e-3, rtol=0)
    torch.testing.assert_close(values.std(0), torch.full((2,), 0.5), atol=1e-3, rtol=0)
    assert float(system(given).loss) == loss, "the loss is of the scores, whatever their unit"
    assert min(order(values.detach(), raw[given.mask].detach())) > 0.999


def test_a_regression_predicts_in_the_unit_of_the_ratings() -> None:
    system, given = made(loss="ccc"), batch()
    system.target_mean.fill_(3.0)
    system.target_deviation.fill_(0.5)
    system.train()
    torch.testing.assert_close(system(given).values, system.base(given).values * 0.5 + 3)


def noisy_order(seed: int) -> Batch:
    """Dialogues whose ratings are levels of a linear map of the vectors, with some noise."""
    random = np.random.default_rng(seed)
    vectors = random.normal(size=(12, 10, 6))
    hidden = vectors @ np.array([1.0, -2.0, 0.5, 0.0, 1.5, -0.5])
    levels = np.round(2 * (hidden + 0.1 * random.normal(size=hidden.shape)))
    return Batch.of({"text": torch.from_numpy(vectors).float()}, targets=torch.from_numpy(levels).float()[..., None])


@pytest.mark.parametrize("loss", LOSSES)
def test_a_linear_scorer_learns_a_noisy_order(loss: str) -> None:
    torch.manual_seed(0)
    system = RankList({"text": 6}, 0, replace(OPTIONS, loss=loss, length=12), dimensions=1)
    system.base = Linear()
    train, test = noisy_order(1), noisy_order(2)
    optimiser = torch.optim.Adam(system.parameters(), 0.1)
    for step in range(60):
        system.begin_epoch(1 + step // 10)
        optimiser.zero_grad()
        system.train()(train).loss.backward()
        optimiser.step()
    with torch.no_grad():
        true, predicted = (one.flatten().numpy() for one in (test.targets, system.eval()(test).values))
    assert kendall_tau(true, predicted) > 0.9 and ranking_accuracy(true, predicted) > 0.95


class Linear(torch.nn.Module):
    """One linear layer as a scorer."""

    def __init__(self) -> None:
        super().__init__()
        self.score = torch.nn.Linear(6, 1)

    def forward(self, batch: Batch) -> object:
        from merc.systems import Output

        return Output(None, values=self.score(batch.vectors("text")[0]))


def test_no_classes_and_no_other_scorer() -> None:
    with pytest.raises(InputError, match="system 'ranklist' predicts no classes; expected dimensions alone"):
        RankList({"text": 12}, 4, OPTIONS, dimensions=2)
    for base in ("m2fnet", "ranklist", "bridge_tokens"):
        with pytest.raises(InputError, match=f"base '{base}' is no scorer; expected a system of dialogues .* cogmen"):
            made(base=base)
    with pytest.raises(InputError, match="base 'concat' has no option 'wide'; it has dropout, layers"):
        made(base_options={"wide": 3})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss": "hinge"}, "ranklist: loss is 'hinge': expected one of ranklist, ranknet, listnet, listmle, ccc, mse"),
        ({"lists": "all"}, "ranklist: lists is 'all': expected one of mixed, dialogue"),
        ({"length": 1}, "ranklist: length is 1: expected at least 2"),
        ({"first": 0}, "ranklist: first is 0: expected at least 1"),
        ({"temperature": 0.0}, "ranklist: temperature is 0.0: expected more than 0"),
    ],
)
def test_bad_options(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        RankListOptions(**change)  # type: ignore[arg-type]
