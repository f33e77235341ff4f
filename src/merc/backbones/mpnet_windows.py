"""Windows over a dialogue that MPNet reads as one sequence of tokens, for one vector per utterance.

Every token is computed once, so that a dialogue costs hardly more than its utterances alone, and an utterance attends
to what was said before it (with context "both" also after it). Symbols: B windows, L tokens in the longest of them, U
utterances in the fullest, d numbers of a state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merc.errors import InputError
from merc.runtime.windows import OUTSIDE, START, Window, closing, turn, windows

__all__ = [
    "CONTEXTS",
    "Window",
    "closing",
    "collate",
    "contextual",
    "pooled",
    "tokenised",
    "turn",
    "visible",
    "windows",
]

CONTEXTS = ("none", "past", "both")
"""What an utterance may attend to: itself, also earlier utterances of its window, or all of the window."""


def tokenised(tokenizer: Any, texts: Sequence[str], *, longest: int = 96) -> list[list[int]]:
    """Token numbers of each text, without the opening token, closed by the separator.

    Args:
        tokenizer: That of MPNet, as transformers loads it.
        texts: Not empty, with the speakers' names where these are read (see ``turn``).
        longest: Most tokens of a text; the rest is cut off.

    Returns:
        One list of numbers a text.

    Raises:
        InputError: A text is empty.

    Example:
        >>> words = lambda texts, **options: {"input_ids": [[0, *map(len, text.split()), 2] for text in texts]}
        >>> tokenised(words, ["Ann: Hello there."])
        [[4, 5, 6, 2]]
    """
    for number, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"text {number} of {len(texts)} is empty: leave out utterances without words")
    if not texts:
        return []
    rows = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    return [list(row[1:]) for row in rows]


def visible(owners: Tensor, *, context: str) -> Tensor:
    """Which tokens each token may look at.

    Args:
        owners: int64 ``(B, L)``, see ``Window``; ``OUTSIDE`` in padding.
        context: One of CONTEXTS.

    Returns:
        bool ``(B, 1, L, L)``: of row i the tokens that token i attends to.

    Raises:
        InputError: Another context.

    Example:
        >>> owners = torch.tensor([[START, 0, 1]])
        >>> visible(owners, context="past").int().tolist()
        [[[[1, 0, 0], [1, 1, 0], [1, 1, 1]]]]
    """
    if context not in CONTEXTS:
        raise InputError(f"context '{context}': expected {', '.join(CONTEXTS)}")
    query, key = owners[:, :, None], owners[:, None, :]
    real = key != OUTSIDE
    if context == "both":
        seen = real.expand(-1, owners.shape[1], -1)
    elif context == "past":
        seen = real & (key <= query)
    else:
        seen = real & ((key == query) | ((key == START) & (query >= 0)))
    places = torch.arange(owners.shape[1], device=owners.device)
    itself = (places[:, None] == places)[None]
    return (seen | itself)[:, None]  # padding attends to itself, so that no row of the softmax is empty


def collate(chosen: Sequence[Window], *, padding: int, multiple: int = 1) -> tuple[Tensor, Tensor]:
    """Token numbers and owners of several windows as a batch.

    Args:
        chosen: The windows.
        padding: Token number of padding.
        multiple: Of which L is one, for kernels that want it.

    Returns:
        Tokens and owners, int64 ``(B, L)`` each, on the CPU.

    Example:
        >>> tokens, owners = collate([Window(0, 0, 0, (0, 5, 2), (START, 0, 0))], padding=1, multiple=4)
        >>> tokens.tolist(), owners.tolist()
        ([[0, 5, 2, 1]], [[-1, 0, 0, -2]])
    """
    length = -(-max(len(window.tokens) for window in chosen) // multiple) * multiple
    tokens = np.full((len(chosen), length), padding, np.int64)
    owners = np.full((len(chosen), length), OUTSIDE, np.int64)
    for row, window in enumerate(chosen):
        tokens[row, : len(window.tokens)] = window.tokens
        owners[row, : len(window.owners)] = window.owners
    return torch.from_numpy(tokens), torch.from_numpy(owners)


def pooled(states: Tensor, owners: Tensor) -> Tensor:
    """Mean of each utterance's tokens.

    Args:
        states: ``(B, L, d)``.
        owners: int64 ``(B, L)``.

    Returns:
        ``(B, U, d)``, zeros where a window has fewer utterances.

    Example:
        >>> states = torch.tensor([[[9.0], [1.0], [3.0]]])
        >>> pooled(states, torch.tensor([[START, 0, 0]])).tolist()
        [[[2.0]]]
    """
    count = int(owners.max()) + 1
    belongs = (owners[:, None, :] == torch.arange(count, device=owners.device)[None, :, None]).to(states.dtype)
    return belongs @ states / belongs.sum(-1, keepdim=True).clamp_min(1.0)  # (B, U, L) @ (B, L, d)


def contextual(network: Any, tokens: Tensor, owners: Tensor, *, context: str) -> Tensor:
    """Token states of an MPNet network under the mask of ``visible``.

    Args:
        network: ``MPNetModel`` of transformers.
        tokens: int64 ``(B, L)``.
        owners: int64 ``(B, L)``.
        context: One of CONTEXTS.

    Returns:
        ``(B, L, 768)``, or the width of the network.

    Raises:
        InputError: Another context.

    Example:
        >>> from types import SimpleNamespace
        >>> embed = lambda input_ids: input_ids[..., None].float()
        >>> network = SimpleNamespace(embeddings=embed, encoder=lambda hidden, attention_mask: (hidden,))
        >>> contextual(network, torch.tensor([[0, 5, 2]]), torch.tensor([[START, 0, 0]]), context="past").shape
        torch.Size([1, 3, 1])
    """
    hidden = network.embeddings(input_ids=tokens)
    seen = visible(owners, context=context)
    least = torch.finfo(hidden.dtype).min
    if torch.is_grad_enabled():
        mask = torch.zeros_like(seen, dtype=hidden.dtype).masked_fill(~seen, least)
        states: Tensor = network.encoder(hidden, attention_mask=mask)[0]
        return states
    bias = network.encoder.compute_position_bias(hidden[:1])  # (1, heads, L, L)
    scores = torch.where(seen, bias, least)  # (B, heads, L, L)
    states = hidden
    for layer in network.encoder.layer:
        states = _layer(layer, states, scores)
    return states


def _layer(layer: Any, hidden: Tensor, bias: Tensor) -> Tensor:
    """One transformer layer of MPNet on states ``(B, L, d)`` with a bias on its scores ``(B, heads, L, L)``."""
    own = layer.attention.attn
    shape = (*hidden.shape[:2], own.num_attention_heads, -1)
    query, key, value = (part(hidden).view(shape).transpose(1, 2) for part in (own.q, own.k, own.v))
    scores = query @ key.transpose(-1, -2) / own.attention_head_size**0.5 + bias
    attended = own.o((scores.softmax(-1) @ value).transpose(1, 2).reshape(hidden.shape))
    attended = layer.attention.LayerNorm(attended + hidden)
    states: Tensor = layer.output(layer.intermediate(attended), attended)
    return states
