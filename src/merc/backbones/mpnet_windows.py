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


def tokenised(tokenizer: Any, texts: Sequence[str], *, longest: int = 96) -> list[list[int]]:
    """Token numbers of each text, without the opening token, closed by the separator; raises InputError if empty."""
    for number, text in enumerate(texts):
        if not text.strip():
            raise InputError(f"text {number} of {len(texts)} is empty: leave out utterances without words")
    if not texts:
        return []
    rows = tokenizer(list(texts), truncation=True, max_length=longest)["input_ids"]
    return [list(row[1:]) for row in rows]


def visible(owners: Tensor, *, context: str) -> Tensor:
    """Which tokens each token may look at: bool ``(B, 1, L, L)`` from the owners ``(B, L)``.

    "none": its own utterance; "past": also earlier ones; "both": all of the window. Every token attends to the opening
    token, which attends to itself alone unless the context is "both": it would carry later words to earlier utterances.
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
    """Token numbers and owners of several windows: int64 ``(B, L)`` each, padded to a multiple, on the CPU."""
    length = -(-max(len(window.tokens) for window in chosen) // multiple) * multiple
    tokens = np.full((len(chosen), length), padding, np.int64)
    owners = np.full((len(chosen), length), OUTSIDE, np.int64)
    for row, window in enumerate(chosen):
        tokens[row, : len(window.tokens)] = window.tokens
        owners[row, : len(window.owners)] = window.owners
    return torch.from_numpy(tokens), torch.from_numpy(owners)


def pooled(states: Tensor, owners: Tensor) -> Tensor:
    """Mean of each utterance's tokens: ``(B, L, d)`` -> ``(B, U, d)``, zeros where a window has fewer utterances."""
    count = int(owners.max()) + 1
    belongs = (owners[:, None, :] == torch.arange(count, device=owners.device)[None, :, None]).to(states.dtype)
    return belongs @ states / belongs.sum(-1, keepdim=True).clamp_min(1.0)  # (B, U, L) @ (B, L, d)


def contextual(network: Any, tokens: Tensor, owners: Tensor, *, context: str) -> Tensor:
    """Token states of an MPNet network under the mask of ``visible``: ``(B, L, 768)``.

    Without gradients the bias of positions and the mask are added up once for all layers, in float32.
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
