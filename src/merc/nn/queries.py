"""Learnable queries that read sequences by cross-attention and give a fixed number of vectors.

A block is self-attention of the queries, where wanted with further tokens beside them, cross-attention to a masked
sequence, and a feed-forward network, each with pre-norm and residual (as the Q-Former of Li et al., BLIP-2, 2023, and
the latents of Jaegle et al., Perceiver, 2021).

Symbols: B sequences, Q queries, S steps, K further tokens, h width.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.attention import Attention
from merc.options import at_least, below_one

Masked = tuple[Tensor, Tensor]
"""A sequence ``(B, S, h)`` and bool ``(B, S)``, True for a step that may be read."""


class QueryLayer(nn.Module):
    """One block of queries.

    Args:
        width: h, a multiple of ``heads``.
        heads: Number of heads.
        dropout: Dropout from 0 to below 1.
        self_attention: Whether the queries read each other first, and further tokens where there are any.

    Raises:
        InputError: If ``width`` is not a multiple of ``heads``.
    """

    def __init__(self, width: int, heads: int = 4, *, dropout: float = 0.0, self_attention: bool = True) -> None:
        super().__init__()
        self.own = Attention(width, heads, dropout=dropout) if self_attention else None
        self.own_norm = nn.LayerNorm(width) if self_attention else nn.Identity()
        self.cross = Attention(width, heads, dropout=dropout)
        self.cross_norm, self.read_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        layers = nn.Linear(width, 2 * width), nn.GELU(), nn.Dropout(dropout), nn.Linear(2 * width, width)
        self.feed_forward, self.feed_forward_norm = nn.Sequential(*layers), nn.LayerNorm(width)
        self.drop = nn.Dropout(dropout)

    def forward(self, queries: Tensor, sequence: Masked, tokens: Masked | None = None) -> Tensor:
        """Read a sequence.

        Args:
            queries: ``(B, Q, h)``.
            sequence: What is read by cross-attention; a row without a readable step adds nothing.
            tokens: Further tokens that the queries attend to, ``(B, K, h)`` and mask, such as an instruction's.

        Returns:
            ``(B, Q, h)``: the queries alone.

        Raises:
            InputError: If there are tokens but no self-attention to read them.
        """
        if self.own is not None:
            seen, keep = self._beside(self.own_norm(queries), tokens)
            queries = queries + self.drop(self.own(seen[:, : queries.shape[1]], seen, seen, keep=keep))
        elif tokens is not None:
            raise InputError("queries: tokens beside the queries need self_attention=True")
        steps, keep = sequence
        read = self.read_norm(steps)
        queries = queries + self.drop(self.cross(self.cross_norm(queries), read, read, keep=keep))
        added: Tensor = self.drop(self.feed_forward(self.feed_forward_norm(queries)))
        return queries + added

    def _beside(self, queries: Tensor, tokens: Masked | None) -> Masked:
        """Queries ``(B, Q, h)`` and tokens behind them: ``(B, Q + K, h)``, and their mask."""
        keep = torch.ones(queries.shape[:2], dtype=torch.bool, device=queries.device)
        if tokens is None:
            return queries, keep
        return torch.cat([queries, self.own_norm(tokens[0])], 1), torch.cat([keep, tokens[1]], 1)


class Queries(nn.Module):
    """A number of learnable queries and the blocks by which they read.

    Args:
        width: h, a multiple of ``heads``.
        count: Q, the number of queries.
        layers: Blocks.
        heads: Number of heads.
        dropout: Dropout from 0 to below 1.
        self_attention: As for `QueryLayer`.

    Raises:
        InputError: For a number of queries or layers below 1, or a width that is not a multiple of the heads.

    Example:
        >>> import torch
        >>> frames, kept = torch.randn(2, 50, 16), torch.ones(2, 50, dtype=torch.bool)
        >>> Queries(16, 8, layers=2)([(frames, kept)]).shape
        torch.Size([2, 8, 16])
    """

    def __init__(
        self,
        width: int,
        count: int,
        *,
        layers: int = 1,
        heads: int = 4,
        dropout: float = 0.0,
        self_attention: bool = True,
    ) -> None:
        super().__init__()
        at_least(1, scope="queries", count=count, layers=layers)
        below_one(scope="queries", dropout=dropout)
        self.queries = nn.Parameter(0.02 * torch.randn(count, width))
        self.layers = nn.ModuleList(
            QueryLayer(width, heads, dropout=dropout, self_attention=self_attention) for _ in range(layers)
        )

    def forward(self, sequences: Sequence[Masked], tokens: Masked | None = None) -> Tensor:
        """Read sequences with the queries.

        Args:
            sequences: One for each block, or one that all blocks read.
            tokens: As for `QueryLayer`, in every block.

        Returns:
            ``(B, Q, h)``.

        Raises:
            InputError: If there are neither one nor as many sequences as blocks.
        """
        if len(sequences) not in (1, len(self.layers)):
            raise InputError(
                f"queries: {len(sequences)} sequences for {len(self.layers)} layers; expected as many, or 1"
            )
        read = list(sequences) * (len(self.layers) if len(sequences) == 1 else 1)
        found = self.queries.expand(len(read[0][0]), -1, -1)  # (B, Q, h)
        for layer, sequence in zip(self.layers, read, strict=True):
            found = layer(found, sequence, tokens)
        return found
