"""Selective scans over packed sequences: the recurrence of Mamba in four forms (see ``merc.nn.ssm`` for the symbols).

All have the signature of :data:`Scan`: ``(u, delta, A, B, C, offsets)`` to C h, without skip connection and gate, where
u and delta are ``(tokens, channels)``, A is ``(channels, d_state)``, B and C are ``(tokens, d_state)``, and offsets
int64 ``(sequences + 1,)``. The compiled form is in ``merc.nn.kernel``.
"""
# ruff: noqa: N803 - A, B and C are the letters of the paper and of every implementation

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

Scan = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]
"""``(u, delta, A, B, C, offsets)`` to C h, without skip connection and gate."""

_TILE = 128  # channels per step of the portable scan, which bounds (tokens, tile, d_state)


def reference_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, offsets: Tensor) -> Tensor:
    """The recurrence as in the paper, one token at a time, in any dtype, for tests: ``(tokens, channels)``."""
    rows = []
    for begin, end in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        h = torch.zeros_like(A)
        for t in range(begin, end):
            h = torch.exp(delta[t, :, None] * A) * h + (delta[t] * u[t])[:, None] * B[t]
            rows.append(h @ C[t])
    return torch.stack(rows) if rows else torch.zeros_like(u)


def portable_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, offsets: Tensor, *, recompute: bool = True
) -> Tensor:
    """Scan in plain PyTorch: the t-th tokens of all sequences at once, in tiles of channels.

    With ``recompute`` tiles are computed again in the backward pass, so that memory is that of one tile; a gradient of
    such a pass cannot be differentiated again, one without can.
    """
    lengths, order = offsets.diff().sort(descending=True, stable=True)
    starts, longest = offsets[:-1][order], int(lengths[0]) if len(lengths) else 0
    counts = [int((lengths > t).sum()) for t in range(longest)]
    if not counts:
        return torch.zeros_like(u)
    rows = torch.cat([starts[:n] + t for t, n in enumerate(counts)])  # tokens by their position in a sequence
    back = torch.empty_like(rows).scatter_(0, rows, torch.arange(len(rows), device=rows.device))
    tiles = []
    for tile in torch.split(torch.arange(u.shape[1], device=u.device), _TILE):
        part = u[rows][:, tile], delta[rows][:, tile], A[tile], B[rows], C[rows]
        args = (_march, *part, counts)
        again = recompute and torch.is_grad_enabled()
        tiles.append(checkpoint(*args, use_reentrant=False) if again else _march(*part, counts))
    return torch.cat(tiles, 1)[back]


def _march(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, counts: list[int]) -> Tensor:
    """Scan tokens sorted by their position in a sequence, ``counts[t]`` of them at position t."""
    h = u.new_zeros(counts[0], *A.shape)
    rows = []
    for d, x, b, c in zip(*(torch.split(part, counts) for part in (delta, delta * u, B, C)), strict=True):
        h = torch.exp(d[:, :, None] * A) * h[: len(d)] + x[:, :, None] * b[:, None]  # (sequences, tile, d_state)
        rows.append((h @ c[:, :, None]).squeeze(2))
    return torch.cat(rows)


def doubling_scan(
    u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, offsets: Tensor, *, longest: int
) -> Tensor:
    """Scan without a loop over tokens, for export: after k steps each token includes the 2^k before it.

    Exact for sequences of at most ``longest`` tokens; takes log2(longest) passes over (tokens, channels, d_state).
    """
    tokens = u.shape[0]  # len() would be a constant in the graph
    first = places(offsets, tokens)[0] == 0
    factor = torch.exp(delta[:, :, None] * A).masked_fill(first[:, None, None], 0.0)  # first tokens have no predecessor
    h = (delta * u)[:, :, None] * B[:, None]
    for k in range(max(0, longest - 1).bit_length()):
        earlier = [F.pad(part, (0, 0, 0, 0, 2**k, 0))[:tokens] for part in (h, factor)]
        h, factor = h + factor * earlier[0], factor * earlier[1]
    return (h @ C[:, :, None]).squeeze(2)


def cuda_scan(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, offsets: Tensor) -> Tensor:
    """Scan by the kernel of mamba-ssm, which has no offsets: sequences are padded on the right."""
    from mamba_ssm.ops.selective_scan_interface import selective_scan_fn  # type: ignore[import-not-found]

    place, sequence = places(offsets, len(u))
    longest, padded = int(offsets.diff().max()), []
    for part in (u, delta, B, C):
        full = part.new_zeros(len(offsets) - 1, longest, part.shape[1])
        padded.append(full.index_put((sequence, place), part).transpose(1, 2).contiguous())
    y = selective_scan_fn(padded[0], padded[1], A, padded[2], padded[3])
    return cast(Tensor, y.transpose(1, 2)[sequence, place])


def places(offsets: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Position of each token in its sequence, and the number of the sequence."""
    token = torch.arange(tokens, device=offsets.device)
    sequence = (token[:, None] >= offsets[None, 1:]).sum(1)
    return token - offsets[sequence], sequence
