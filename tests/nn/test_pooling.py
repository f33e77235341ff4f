"""Masked pooling: padding has no influence."""

from __future__ import annotations

import pytest
import torch

from merc.errors import InputError
from merc.nn.pooling import (
    AttentiveStatistics,
    EcapaPooling,
    LayerSum,
    SeRes2Block,
    masked_max,
    masked_mean,
    masked_statistics,
)

VALUES = torch.tensor([[[1.0, -2.0], [3.0, -4.0], [99.0, 99.0]], [[7.0, 7.0], [7.0, 7.0], [7.0, 7.0]]])
MASK = torch.tensor([[True, True, False], [False, False, False]])


def test_the_mean_is_over_real_steps() -> None:
    assert masked_mean(VALUES, MASK).tolist() == [[2.0, -3.0], [0.0, 0.0]]


def test_the_maximum_is_over_real_steps_and_may_be_negative() -> None:
    assert masked_max(VALUES, MASK).tolist() == [[3.0, -2.0], [0.0, 0.0]]


def test_no_gradient_reaches_padding() -> None:
    values = VALUES.clone().requires_grad_()
    (masked_mean(values, MASK).sum() + masked_max(values, MASK).sum()).backward()
    assert values.grad is not None and values.grad.isfinite().all()
    assert not values.grad[~MASK].any() and values.grad[MASK].any()


def test_constant_scores_give_plain_mean_and_deviation() -> None:
    values, mask = torch.randn(3, 7, 4), torch.arange(7)[None] < torch.tensor([7, 4, 1])[:, None]
    for by_channel in (False, True):
        pool = AttentiveStatistics(4, 5, by_channel=by_channel)
        torch.nn.init.zeros_(pool.score[2].weight)
        torch.nn.init.constant_(pool.score[2].bias, 2.5)
        torch.testing.assert_close(pool(values, mask), masked_statistics(values, mask))
    plain = torch.cat([values[1, :4].mean(0), values[1, :4].std(0, unbiased=False)])
    torch.testing.assert_close(masked_statistics(values, mask)[1], plain)


def test_attention_moves_the_mean_towards_what_it_scores_high() -> None:
    pool = AttentiveStatistics(1, 1)
    with torch.no_grad():
        for name, value in (("0.weight", 1.0), ("0.bias", 0.0), ("2.weight", 5.0), ("2.bias", 0.0)):
            pool.score.get_parameter(name).fill_(value)
    mean, deviation = pool(torch.tensor([[[-1.0], [1.0], [9.0]]]), torch.tensor([[True, True, False]]))[0]
    share = torch.tensor([-5.0, 5.0]).mul(torch.tensor(1.0).tanh()).softmax(0)[1]
    torch.testing.assert_close(mean, 2 * share - 1)
    torch.testing.assert_close(deviation, (1 - (2 * share - 1) ** 2).sqrt())


def test_ecapa_does_not_see_what_lies_behind_the_end() -> None:
    torch.manual_seed(0)
    pool = EcapaPooling(4, 8, 16)
    values, mask = torch.randn(2, 9, 4), torch.arange(9)[None] < torch.tensor([9, 5])[:, None]
    before = pool(values, mask)
    assert before.shape == (2, pool.out) == (2, 32)
    values[1, 5:] = 50.0
    torch.testing.assert_close(pool(values, mask), before)
    torch.testing.assert_close(pool(values[1:, :5], mask[1:, :5]), before[1:], atol=1e-5, rtol=1e-5)


def test_a_block_of_ecapa_hears_as_far_as_its_dilations() -> None:
    torch.manual_seed(0)
    block = SeRes2Block(64, dilation=3).eval()
    block.squeeze = torch.nn.Sequential(torch.nn.Hardtanh(1.0, 1.0001))  # without the mean over all steps
    values, mask = torch.randn(1, 31, 64), torch.ones(1, 31, dtype=torch.bool)
    changed = values.clone()
    changed[0, 15] += 1.0
    moved = (block(changed, mask) - block(values, mask)).abs().sum(-1)[0] > 1e-6
    assert moved.nonzero().flatten().tolist() == [6, 9, 12, 15, 18, 21, 24], "three convolutions, three steps apart"


def test_layers_weigh_alike_at_first_and_their_shares_are_learned() -> None:
    values, layers = torch.arange(12.0).view(2, 6), LayerSum(6, 3)
    assert layers(values).tolist() == [[2.0, 3.0], [8.0, 9.0]]
    layers.score.data = torch.tensor([0.0, 0.0, 30.0])
    torch.testing.assert_close(layers(values), values[:, 4:])
    with pytest.raises(InputError, match="7 numbers in 3 layers: expected a multiple"):
        LayerSum(7, 3)
