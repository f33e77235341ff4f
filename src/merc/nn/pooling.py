"""Masked pooling: a sequence of unknown length becomes one vector, whatever was padded behind it."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the real steps: ``values (..., S, d)``, ``mask (..., S)`` -> ``(..., d)``; zeros where none is real."""
    share = mask.to(values.dtype)[..., None]  # (..., S, 1)
    return (values * share).sum(-2) / share.sum(-2).clamp_min(1.0)


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Largest value over the real steps: ``(..., S, d)`` -> ``(..., d)``; zeros where none is real."""
    top = values.masked_fill(~mask[..., None], float("-inf")).amax(-2)
    return torch.where(mask.any(-1)[..., None], top, torch.zeros_like(top))


class AttentivePooling(nn.Module):
    """Weighted mean whose weights a linear layer learns: ``(..., S, d)``, ``(..., S)`` -> ``(..., d)``."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.score = nn.Linear(width, 1)

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """Zeros where no step is real; padding gets weight 0."""
        scores = self.score(values)[..., 0].masked_fill(~mask, torch.finfo(values.dtype).min)  # (..., S)
        shares = torch.softmax(scores, -1) * mask.to(values.dtype)
        return (values * shares[..., None]).sum(-2)
