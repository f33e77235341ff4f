"""Masked pooling: padding has no influence."""

from __future__ import annotations

import torch

from merc.nn.pooling import masked_max, masked_mean

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
