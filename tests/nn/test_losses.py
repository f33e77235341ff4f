"""Losses: equal to PyTorch's or to the formula, masked, and differentiable also where nothing can be measured."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from merc.errors import InputError
from merc.nn.losses import (
    LabelLoss,
    concordance_loss,
    pairwise_logistic,
    squared_error,
    supervised_contrast,
)

DRAW = torch.Generator().manual_seed(0)
LOGITS = torch.randn(2, 4, 3, generator=DRAW)
LABELS = torch.tensor([[0, 2, -1, 1], [1, -1, -1, 0]])
NAN = float("nan")


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
@pytest.mark.parametrize("class_weights", [None, torch.tensor([1.0, 4.0, 2.0])])
def test_label_loss_is_cross_entropy_over_what_is_labelled(class_weights: Tensor | None, smoothing: float) -> None:
    known = LABELS >= 0
    wanted = F.cross_entropy(LOGITS[known], LABELS[known], class_weights, label_smoothing=smoothing)
    loss = LabelLoss(3, class_weights=class_weights, smoothing=smoothing)
    torch.testing.assert_close(loss(LOGITS, LABELS), wanted)


def test_an_utterance_of_weight_two_counts_as_two() -> None:
    weights = torch.ones(2, 4)
    weights[0, 1] = 2.0
    twice = torch.cat([LOGITS.flatten(0, 1), LOGITS[0, 1:2]]), torch.cat([LABELS.flatten(), LABELS[0, 1:2]])
    loss = LabelLoss(3, class_weights=torch.tensor([1.0, 4.0, 2.0]))
    torch.testing.assert_close(loss(LOGITS, LABELS, weights=weights), loss(*twice))


def test_what_label_loss_refuses() -> None:
    with pytest.raises(InputError, match=r"\(2,\) class weights; expected one per class \(3\)"):
        LabelLoss(3, class_weights=torch.ones(2))
    with pytest.raises(InputError, match=r"label smoothing 1\.0; expected 0 <= smoothing < 1"):
        LabelLoss(3, smoothing=1.0)
    with pytest.raises(InputError, match="no labelled utterance: the loss is undefined"):
        LabelLoss(3)(LOGITS, torch.full_like(LABELS, -1))


def test_supervised_contrast_is_the_formula_of_khosla() -> None:
    vectors, labels = torch.randn(5, 4, generator=DRAW), torch.tensor([0, 1, 0, 1, 2])
    unit = F.normalize(vectors, dim=-1)
    each = []
    for i in range(4):  # the fifth has no positive
        others = [k for k in range(5) if k != i]
        total = torch.stack([unit[i] @ unit[k] / 0.1 for k in others]).logsumexp(0)
        positives = [unit[i] @ unit[k] / 0.1 - total for k in others if labels[k] == labels[i]]
        each.append(-torch.stack(positives).mean())
    torch.testing.assert_close(supervised_contrast(vectors, labels), torch.stack(each).mean())


def test_concordance_is_lins_and_ignores_missing_targets() -> None:
    values = torch.tensor([[1.0, 5.0], [2.0, 1.0], [4.0, 3.0], [9.0, 2.0]])
    targets = torch.tensor([[2.0, NAN], [1.0, NAN], [5.0, NAN], [NAN, 4.0]])  # the second has one target only
    x, y = values[:3, 0], targets[:3, 0]
    spread = x.var(correction=0) + y.var(correction=0) + (x.mean() - y.mean()) ** 2
    ccc = 2 * ((x - x.mean()) * (y - y.mean())).mean() / spread
    torch.testing.assert_close(concordance_loss(values, targets), 1 - ccc)
    shifted = concordance_loss(values[:, :1], values[:, :1] + 1)
    assert 0 < float(shifted) < 1, "concordance, unlike correlation, sees a shift"


def test_squared_error_is_averaged_by_dimension() -> None:
    values = torch.tensor([[1.0, 0.0], [3.0, 0.0]])
    targets = torch.tensor([[2.0, 4.0], [NAN, NAN]])
    torch.testing.assert_close(squared_error(values, targets), torch.tensor((1.0 + 16.0) / 2))
    weights = torch.tensor([3.0, 1.0])
    torch.testing.assert_close(squared_error(values, values + 1, weights=weights), torch.tensor(1.0))


def test_pairs_count_only_where_targets_differ_by_more_than_the_margin() -> None:
    scores, targets = torch.tensor([0.0, 2.0, 1.0]), torch.tensor([0.0, 1.0, NAN])
    torch.testing.assert_close(pairwise_logistic(scores, targets), F.softplus(torch.tensor(-2.0)))
    assert float(pairwise_logistic(scores, targets, margin=1.0)) == 0.0


@pytest.mark.parametrize(
    "loss",
    [
        lambda x: supervised_contrast(x, torch.arange(3)),
        lambda x: concordance_loss(x, torch.full_like(x, NAN)),
        lambda x: squared_error(x, torch.full_like(x, NAN)),
        lambda x: pairwise_logistic(x[:, 0], torch.ones(3)),
    ],
)
def test_where_nothing_can_be_measured_the_loss_is_zero_with_a_gradient(loss) -> None:  # type: ignore[no-untyped-def]
    x = torch.randn(3, 2, generator=DRAW, requires_grad=True)
    value = loss(x)
    value.backward()
    assert float(value) == 0.0 and x.grad is not None and not x.grad.any()
