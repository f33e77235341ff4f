"""Masked pooling of padded sequences to vectors."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps that are not padding.

    Args:
        values: ``(..., S, d)``.
        mask: bool ``(..., S)``, False for padding.

    Returns:
        ``(..., d)``; zeros for a sequence of padding only.

    Example:
        >>> import torch
        >>> masked_mean(torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False]))
        tensor([2.])
    """
    share = mask.to(values.dtype)[..., None]  # (..., S, 1)
    return (values * share).sum(-2) / share.sum(-2).clamp_min(1.0)


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Maximum over the steps that are not padding; arguments and result as ``masked_mean``."""
    top = values.masked_fill(~mask[..., None], float("-inf")).amax(-2)
    return torch.where(mask.any(-1)[..., None], top, torch.zeros_like(top))
