"""Losses of ranks: the fixtures of RankList, a slow loop over pairs, ties, margins, absent targets, orders."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from merc.errors import InputError
from merc.nn.losses import pairwise_logistic
from merc.nn.ranking import RANK_LOSSES, in_lists, listmle, listnet, ranklist, ranknet

ALL = pytest.mark.parametrize("loss", RANK_LOSSES.values(), ids=RANK_LOSSES)


def lists(rows: int = 5, items: int = 9, *, levels: int = 5, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Random scores and ratings with ties, one rating absent."""
    generator = torch.Generator().manual_seed(seed)
    scores = torch.randn(rows, items, generator=generator, dtype=torch.float64)
    targets = torch.randint(levels, (rows, items), generator=generator).double()
    targets[-1, 2] = math.nan
    return scores, targets


def one(scores: list[float], targets: list[float]) -> tuple[Tensor, Tensor]:
    return torch.tensor([scores], dtype=torch.float64), torch.tensor([targets], dtype=torch.float64)


def slow(scores: Tensor, targets: Tensor, *, skips: int, margin: float, form: str, decay: bool) -> float:
    """RankList by loops over lists, skips and pairs."""
    found = []
    for s, t in zip(scores.tolist(), targets.tolist(), strict=True):
        items = sorted([(b, a) for a, b in zip(s, t, strict=True) if b == b], key=lambda pair: -pair[0])
        total, pairs = 0.0, 0
        for k in range(1, skips + 1):
            gaps = [
                items[i][1] - items[i + k][1]
                for i in range(len(items) - k)
                if items[i][0] > items[i + k][0] and items[i][0] - items[i + k][0] >= margin
            ]
            pairs += len(gaps)
            each = [math.exp(-gap) for gap in gaps]
            value = math.log1p(sum(each)) if form == "lse" else sum(math.log1p(x) for x in each)
            total += value / (k if decay else 1)
        if pairs:
            found.append(total)
    return sum(found) / len(found)


@pytest.mark.parametrize("form", ["lse", "sum"])
@pytest.mark.parametrize("decay", [False, True])
@pytest.mark.parametrize(("skips", "margin"), [(1, 0.0), (3, 1.0), (8, 2.0)])
def test_ranklist_is_the_loop_over_lists_skips_and_pairs(form: str, decay: bool, skips: int, margin: float) -> None:
    scores, targets = lists()
    weights = "decay" if decay else "equal"
    found = float(ranklist(scores, targets, skips=skips, margin=margin, form=form, weights=weights))
    assert found == pytest.approx(slow(scores, targets, skips=skips, margin=margin, form=form, decay=decay), abs=1e-12)


def test_the_fixture_of_card_fourteen() -> None:
    scores, targets = one([0.0, -1.0, -1.5, -1.3], [4, 3, 2, 1])  # differences 1, 0.5, -0.2
    assert float(ranklist(scores, targets, skips=1, form="sum")) == pytest.approx(1.58548, abs=5e-6)
    assert float(ranklist(scores, targets, skips=1, form="lse")) == pytest.approx(1.16184, abs=5e-6)


@pytest.mark.parametrize("form", ["lse", "sum"])
def test_of_two_items_it_is_ranknet(form: str) -> None:
    scores, targets = one([0.3, -0.4], [5, 2])
    expected = float(softplus(torch.tensor(-0.7, dtype=torch.float64)))
    assert float(ranklist(scores, targets, form=form)) == pytest.approx(expected, abs=1e-7)
    assert float(ranknet(scores, targets)) == pytest.approx(expected, abs=1e-7)
    assert float(ranklist(*one([1.0, 1.0], [5, 2]), form=form)) == pytest.approx(math.log(2), abs=1e-12)


def test_the_closed_form_is_never_above_the_sum_and_equal_for_one_pair() -> None:
    scores, targets = lists(40, 6)
    for skips in range(1, 6):
        closed, total = (float(ranklist(scores, targets, skips=skips, form=form)) for form in ("lse", "sum"))
        assert closed <= total + 1e-12
    pair = one([0.1, 0.9, 0.4], [2, 2, 1])  # at skip 1 one pair of three items differs
    assert float(ranklist(*pair, skips=1)) == pytest.approx(float(ranklist(*pair, skips=1, form="sum")))


def test_every_further_skip_adds() -> None:
    scores, targets = lists()
    values = [float(ranklist(scores, targets, skips=skips)) for skips in range(1, 9)]
    assert all(after >= before for before, after in pairwise(values)) and values[-1] > values[0]
    assert float(ranklist(scores, targets)) == values[-1] == float(ranklist(scores, targets, skips=99))


@ALL
def test_a_constant_added_to_all_scores_changes_nothing_and_gradients_sum_to_zero(loss: Callable[..., Tensor]) -> None:
    scores, targets = lists()
    scores.requires_grad_()
    value = loss(scores, targets)
    assert float(loss(scores.detach() + 7.0, targets)) == pytest.approx(float(value.detach()), abs=1e-9)
    value.backward()
    assert scores.grad is not None and float(scores.grad.abs().sum()) > 0.1
    torch.testing.assert_close(scores.grad.sum(1), torch.zeros(5, dtype=torch.float64), atol=1e-12, rtol=0)
    assert scores.grad[-1, 2] == 0  # no rating, no gradient


@ALL
def test_the_right_order_costs_less_than_one_swap_and_that_less_than_the_reverse(loss: Callable[..., Tensor]) -> None:
    targets = [4.0, 3.0, 2.0, 1.0]
    right, swapped, back = ([2.0, 1.0, 0.0, -1.0], [2.0, 0.0, 1.0, -1.0], [-1.0, 0.0, 1.0, 2.0])
    values = [float(loss(*one(scores, targets))) for scores in (right, swapped, back)]
    assert values[0] < values[1] < values[2]


@ALL
def test_the_order_in_which_items_stand_means_nothing_without_ties(loss: Callable[..., Tensor]) -> None:
    scores, targets = one([0.3, -1.0, 0.7, 0.1], [2, 5, 1, 4])
    order = torch.tensor([2, 0, 3, 1])
    assert float(loss(scores[:, order], targets[:, order])) == pytest.approx(float(loss(scores, targets)), abs=1e-12)


@pytest.mark.parametrize("name", ["ranklist", "ranknet", "listmle"])
def test_without_a_pair_far_enough_apart_the_loss_is_zero_with_a_zero_gradient(name: str) -> None:
    for targets, margin in (([4.0, 3.0, 2.0], 50.0), ([2.0, 2.0, 2.0], 0.0), ([math.nan] * 3, 0.0)):
        scores, wanted = one([0.5, 1.5, -1.0], targets)
        scores.requires_grad_()
        value = RANK_LOSSES[name](scores, wanted, margin=margin)
        value.backward()
        assert float(value.detach()) == 0 and scores.grad is not None and not scores.grad.any()


@pytest.mark.parametrize("name", ["ranklist", "ranknet", "listmle"])
def test_a_list_without_a_pair_is_not_counted_in_the_mean(name: str) -> None:
    scores, targets = lists(1)
    tied = torch.cat([targets, torch.full_like(targets, 3.0)])
    loss = RANK_LOSSES[name]
    assert float(loss(torch.cat([scores, scores]), tied)) == pytest.approx(float(loss(scores, targets)))


@pytest.mark.parametrize("name", ["ranklist", "ranknet", "listmle"])
def test_a_margin_is_the_least_difference_that_is_compared(name: str) -> None:
    scores, targets = one([0.5, 1.5], [3.0, 2.0])
    loss = RANK_LOSSES[name]
    assert float(loss(scores, targets, margin=1.0)) == pytest.approx(float(loss(scores, targets))) != 0
    assert float(loss(scores, targets, margin=1.01)) == 0


def test_ranknet_is_the_mean_over_pairs() -> None:
    scores, targets = lists()
    each = [float(pairwise_logistic(s, t)) for s, t in zip(scores, targets, strict=True)]
    assert float(ranknet(scores, targets)) == pytest.approx(sum(each) / 5)


def test_listnet_is_the_cross_entropy_of_two_softmaxes() -> None:
    scores, targets = one([0.2, 1.0, -0.5], [1, 3, 2])
    wanted, shares = torch.softmax(targets / 0.5, -1), torch.softmax(scores, -1)
    found = float(listnet(scores, targets, temperature=0.5))
    assert found == pytest.approx(float(-(wanted * shares.log()).sum()))
    padded = torch.tensor([[0.2, 1.0, -0.5, 9.0]], dtype=torch.float64), torch.tensor([[1, 3, 2, math.nan]]).double()
    assert float(listnet(*padded, temperature=0.5)) == pytest.approx(found)
    assert float(listnet(*one([1.0, 2.0], [3.0, math.nan]))) == 0


def test_listmle_is_the_likelihood_of_the_order() -> None:
    scores, targets = one([0.2, 1.0, -0.5], [1, 3, 2])
    in_order = torch.tensor([1.0, -0.5, 0.2], dtype=torch.float64)
    by_hand = [float(torch.logsumexp(in_order[place:], 0) - in_order[place]) for place in range(2)]
    assert float(listmle(scores, targets)) == pytest.approx(sum(by_hand) / 2)


def test_rows_become_lists_of_each_column() -> None:
    rows = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    found = in_lists(rows, 2)
    assert found.nan_to_num(-1).tolist() == [[1, 2], [3, -1], [10, 20], [30, -1]]
    assert in_lists(rows[:0], 2).shape == (0, 2)


def test_bad_values_are_named() -> None:
    scores, targets = lists()
    with pytest.raises(InputError, match="ranklist: form is 'all': expected one of lse, sum"):
        ranklist(scores, targets, form="all")
    with pytest.raises(InputError, match="ranklist: skips is 0: expected at least 1"):
        ranklist(scores, targets, skips=0)
    with pytest.raises(InputError, match=r"ranklist: margin is -1.0: expected at least 0"):
        ranklist(scores, targets, margin=-1.0)
    with pytest.raises(InputError, match="weights is 'some': expected one of equal, decay"):
        ranklist(scores, targets, weights="some")
