"""Multi-head attention and transformer layers with masks.

Symbols: B sequences, Q queries, K keys, h width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from merc.errors import InputError


class Attention(nn.Module):
    """Multi-head attention; queries, keys and values may differ (Vaswani et al. 2017, section 3.2.2).

    Args:
        width: h, a multiple of ``heads``.
        heads: Number of heads.
        dropout: Dropout on the attention weights, from 0 to below 1.

    Raises:
        InputError: If ``width`` is not a multiple of ``heads``.
    """

    def __init__(self, width: int, heads: int = 4, *, dropout: float = 0.0) -> None:
        super().__init__()
        if heads < 1 or width % heads:
            raise InputError(f"attention: width {width} over {heads} heads; expected a multiple of the heads")
        self.heads, self.dropout = heads, dropout
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, *, keep: Tensor) -> Tensor:
        """Attend to the keys that are kept.

        Args:
            query: ``(B, Q, h)``.
            key: ``(B, K, h)``.
            value: ``(B, K, h)``.
            keep: bool ``(B, K)`` or ``(B, Q, K)``, True for a key that may be attended to.

        Returns:
            ``(B, Q, h)``; zeros for a query without keys.
        """
        seen = keep[:, None] if keep.ndim == 2 else keep  # (B, 1 or Q, K)
        any_seen = seen.any(-1, keepdim=True)  # (B, 1 or Q, 1)
        attended = scaled_dot_product_attention(
            self._split(self.query(query)),
            self._split(self.key(key)),
            self._split(self.value(value)),
            attn_mask=(seen | ~any_seen)[:, None],
            dropout_p=self.dropout if self.training else 0.0,
        )  # (B, heads, Q, h / heads)
        out: Tensor = self.out(attended.transpose(1, 2).flatten(2))
        return out * any_seen

    def weights(self, query: Tensor, key: Tensor, *, keep: Tensor) -> Tensor:
        """Attention weights ``(B, heads, Q, K)``: rows sum to 1, 0 where a key is not kept. See ``forward``."""
        seen = keep[:, None] if keep.ndim == 2 else keep
        q, k = self._split(self.query(query)), self._split(self.key(key))
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5
        weights = torch.softmax(scores.masked_fill(~seen[:, None], torch.finfo(scores.dtype).min), -1)
        return weights * seen[:, None]

    def _split(self, values: Tensor) -> Tensor:
        split = values.view(*values.shape[:-1], self.heads, values.shape[-1] // self.heads)
        return split.transpose(1, 2)  # (B, heads, steps, h / heads)


class EncoderLayer(nn.Module):
    """Transformer encoder layer with pre-norm: self-attention, then a feed-forward network.

    Args:
        width: h, a multiple of ``heads``.
        heads: Number of heads.
        dropout: Dropout from 0 to below 1.
        inner: Width of the feed-forward network (default: 2 h).
    """

    def __init__(self, width: int, heads: int = 4, *, dropout: float = 0.0, inner: int | None = None) -> None:
        super().__init__()
        inner = 2 * width if inner is None else inner
        self.attention = Attention(width, heads, dropout=dropout)
        self.attention_norm, self.feed_forward_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        layers = nn.Linear(width, inner), nn.GELU(), nn.Dropout(dropout), nn.Linear(inner, width)
        self.feed_forward = nn.Sequential(*layers)
        self.drop = nn.Dropout(dropout)

    def forward(self, values: Tensor, *, keep: Tensor) -> Tensor:
        """Encode a sequence.

        Args:
            values: ``(B, T, h)``.
            keep: bool ``(B, T)`` or ``(B, T, T)``, True for a step that may be attended to.

        Returns:
            ``(B, T, h)``.
        """
        normed = self.attention_norm(values)
        values = values + self.drop(self.attention(normed, normed, normed, keep=keep))
        added: Tensor = self.drop(self.feed_forward(self.feed_forward_norm(values)))
        return values + added


def sinusoids(length: int, width: int, *, like: Tensor) -> Tensor:
    """Sinusoidal position encodings (Vaswani et al. 2017, section 3.5).

    Args:
        length: Number of positions.
        width: Even or odd.
        like: Device and dtype of the result.

    Returns:
        ``(length, width)``.
    """
    position = torch.arange(length, device=like.device, dtype=like.dtype)[:, None]
    step = torch.exp(torch.arange(0, width, 2, device=like.device, dtype=like.dtype) * (-math.log(10_000) / width))
    return torch.stack((torch.sin(position * step), torch.cos(position * step)), -1).flatten(1)[:, :width]


def kept_or_all(present: Tensor, mask: Tensor) -> Tensor:
    """Steps to attend to: those present, or all real ones in a row where none is present; bool ``(B, T)`` each."""
    kept = present & mask
    return kept | (mask & ~kept.any(-1, keepdim=True))
