"""Masked attention: a sequence looks at another one, and padding is never looked at.

Symbols: B sequences, Q queries, K keys, h width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from merc.errors import InputError


class Attention(nn.Module):
    """Multi-head attention whose queries, keys and values may come from three places (Vaswani et al. 2017, 3.2.2)."""

    def __init__(self, width: int, heads: int = 4, *, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"attention: width {width} over {heads} heads; expected a multiple of the heads")
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *, keep: Tensor) -> Tensor:
        """``query (B, Q, h)``, ``key``, ``value (B, K, h)``, ``keep`` bool ``(B, K)`` or ``(B, Q, K)``: ``(B, Q, h)``.

        Only kept keys are looked at; a query that may look at none gets zeros.
        """
        seen = keep[:, None] if keep.ndim == 2 else keep  # (B, 1 or Q, K)
        any_seen = seen.any(-1, keepdim=True)  # (B, 1 or Q, 1)
        heard = scaled_dot_product_attention(
            self._split(self.query(query)),
            self._split(self.key(key)),
            self._split(self.value(value)),
            attn_mask=(seen | ~any_seen)[:, None],
            dropout_p=self.dropout if self.training else 0.0,
        )  # (B, heads, Q, h / heads)
        out: Tensor = self.out(heard.transpose(1, 2).flatten(2))
        return out * any_seen

    def shares(self, query: Tensor, key: Tensor, *, keep: Tensor) -> Tensor:
        """How much each query looks at each key, ``(B, heads, Q, K)``: rows sum to 1, 0 where a key is not kept."""
        seen = keep[:, None] if keep.ndim == 2 else keep
        asked, offered = self._split(self.query(query)), self._split(self.key(key))
        scores = asked @ offered.transpose(-1, -2) / asked.shape[-1] ** 0.5
        shares = torch.softmax(scores.masked_fill(~seen[:, None], torch.finfo(scores.dtype).min), -1)
        return shares * seen[:, None]

    def _split(self, values: Tensor) -> Tensor:
        return values.view(*values.shape[:-1], self.heads, -1).transpose(1, 2)  # (B, heads, steps, h / heads)


class EncoderLayer(nn.Module):
    """One transformer encoder layer, normalised before each part: attention over the sequence, then two layers."""

    def __init__(self, width: int, heads: int = 4, *, dropout: float = 0.0, inner: int | None = None) -> None:
        super().__init__()
        inner = 2 * width if inner is None else inner
        self.attend = Attention(width, heads, dropout=dropout)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.think = nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, width))
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, *, keep: Tensor) -> Tensor:
        """``values (B, T, h)``, ``keep`` bool ``(B, T)`` or ``(B, T, T)``: ``(B, T, h)``."""
        seen = self.before(values)
        values = values + self.drop(self.attend(seen, seen, seen, keep=keep))
        thought: Tensor = self.drop(self.think(self.between(values)))
        return values + thought


def sinusoids(length: int, width: int, *, like: Tensor) -> Tensor:
    """Places in a sequence as sines and cosines (Vaswani et al. 2017, 3.5): ``(length, width)``, width even or odd."""
    place = torch.arange(length, device=like.device, dtype=like.dtype)[:, None]
    step = torch.exp(torch.arange(0, width, 2, device=like.device, dtype=like.dtype) * (-math.log(10_000) / width))
    return torch.stack((torch.sin(place * step), torch.cos(place * step)), -1).flatten(1)[:, :width]


def kept_or_all(present: Tensor, mask: Tensor) -> Tensor:
    """What a sequence may look at: present steps, or all real ones where none is present; bool ``(B, T)`` each."""
    kept = present & mask
    return torch.where(kept.any(-1, keepdim=True), kept, mask)
