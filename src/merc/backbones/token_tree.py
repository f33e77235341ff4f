"""Prompts and label words as a tree of tokens: every beginning that several of them share is computed once.

A causal language model reads the whole tree in one pass when each token attends to its ancestors alone and has its
depth as position. The labels that may follow a prompt are branches of it; the prompts of a dialogue's turns begin
alike. What is shared changes the speed and nothing else.

Symbols: B trees, N tokens of the largest, U prompts of a tree, C labels of at most L tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from merc.backbones.backbone import Inputs
from merc.errors import InputError


@dataclass(frozen=True, slots=True)
class TokenTree:
    """Prompts with the labels that may follow; made by `tree_of`.

    Attributes:
        numbers: Token numbers ``(N,)``; parents come first.
        parents: The token before each ``(N,)``; -1 for a first one.
        before: ``(U, C, L)``, the token after which each token of a label is predicted.
        ends: ``(U,)``, the last token of each prompt.
    """

    numbers: np.ndarray
    parents: np.ndarray
    before: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def is_path(self) -> bool:
        """Whether no token has two successors, so that plain causal attention reads it."""
        return bool((self.parents == np.arange(-1, len(self) - 1)).all())

    def seen(self) -> np.ndarray:
        """Which tokens each token attends to: bool ``(N, N)``, itself and its ancestors."""
        found = np.eye(len(self), dtype=bool)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                found[place] |= found[parent]
        return found

    def depths(self) -> np.ndarray:
        """How many tokens are before each: int64 ``(N,)``."""
        found = np.zeros(len(self), np.int64)
        for place, parent in enumerate(self.parents):
            if parent >= 0:
                found[place] = found[parent] + 1
        return found


@dataclass(frozen=True, slots=True)
class Labels:
    """The tokens of each label; where one label begins another, all end with the end token, so that none is a part.

    Args:
        sequences: Tokens of each label.
        end: Token that ends a label.

    Raises:
        InputError: For a label without a token, or two of the same tokens.
    """

    sequences: tuple[tuple[int, ...], ...]
    end: int

    def __post_init__(self) -> None:
        if not all(self.sequences) or len(set(self.sequences)) < len(self.sequences):
            raise InputError("labels: each needs a token, and no two may have the same tokens; name them differently")
        if any(one != other and other[: len(one)] == one for one in self.sequences for other in self.sequences):
            object.__setattr__(self, "sequences", tuple((*one, self.end) for one in self.sequences))

    @property
    def longest(self) -> int:
        """Tokens of the longest label."""
        return max(map(len, self.sequences))


def tree_of(prompts: Sequence[Sequence[int]], labels: Labels) -> TokenTree:
    """The tree of all prompts, each followed by every label.

    Raises:
        InputError: Without a prompt, or for one without a token.
    """
    if not prompts or not all(prompts):
        raise InputError("no prompt, or a prompt without a token: there is nothing that a label could follow")
    numbers: list[int] = []
    parents: list[int] = []
    children: dict[tuple[int, int], int] = {}

    def after(parent: int, token: int) -> int:
        place = children.setdefault((parent, token), len(numbers))
        if place == len(numbers):
            numbers.append(token)
            parents.append(parent)
        return place

    before = np.zeros((len(prompts), len(labels.sequences), labels.longest), np.int64)
    ends = np.zeros(len(prompts), np.int64)
    for row, prompt in enumerate(prompts):
        at = -1
        for token in prompt:
            at = after(at, token)
        ends[row] = at
    for row, column in np.ndindex(before.shape[:2]):
        here = int(ends[row])
        for step, token in enumerate(labels.sequences[column]):
            before[row, column, step] = here
            if step + 1 < len(labels.sequences[column]):
                here = after(here, token)
    return TokenTree(np.array(numbers), np.array(parents), before, ends)


@dataclass(frozen=True, slots=True)
class Trees(Inputs):
    """A batch of trees.

    Attributes:
        numbers: Token numbers int64 ``(B, N)``, 0 in padding.
        positions: Depth of each token int64 ``(B, N)``.
        seen: Bool ``(B, N, N)``, which tokens each attends to; ``(B, 0, 0)`` where plain causal attention does.
        before: int64 ``(B, U, C, L)``.
        tokens: Tokens of the labels int64 ``(C, L)``.
        written: Bool ``(C, L)``, which of them are real.
        prompts: Bool ``(B, U)``, which prompts are real.
    """

    numbers: Tensor
    positions: Tensor
    seen: Tensor
    before: Tensor
    tokens: Tensor
    written: Tensor
    prompts: Tensor


def batch_of(trees: Sequence[TokenTree], labels: Labels) -> Trees:
    """Trees with the same labels, padded."""
    size, count = max(map(len, trees)), max(len(one.ends) for one in trees)
    shape = len(trees), size
    numbers, positions = np.zeros(shape, np.int64), np.tile(np.arange(size), (len(trees), 1))
    plain = all(one.is_path for one in trees)
    seen = np.zeros((len(trees), 0, 0), bool) if plain else np.tile(np.eye(size, dtype=bool), (len(trees), 1, 1))
    before = np.zeros((len(trees), count, *trees[0].before.shape[1:]), np.int64)
    prompts = np.zeros((len(trees), count), bool)
    for row, one in enumerate(trees):
        numbers[row, : len(one)], positions[row, : len(one)] = one.numbers, one.depths()
        if not plain:
            seen[row, : len(one), : len(one)] = one.seen()
        before[row, : len(one.ends)], prompts[row, : len(one.ends)] = one.before, True
    tokens = np.zeros((len(labels.sequences), labels.longest), np.int64)
    written = np.zeros(tokens.shape, bool)
    for column, sequence in enumerate(labels.sequences):
        tokens[column, : len(sequence)], written[column, : len(sequence)] = sequence, True
    return Trees(*map(torch.from_numpy, (numbers, positions, seen, before, tokens, written, prompts)))
