"""Span corruption, the pretraining of T5: spans of tokens are replaced by sentinels, and the decoder writes them.

Raffel et al. 2020, "Exploring the limits of transfer learning with a unified text-to-text transformer", section 3.1.4.
Texts are packed end to end into windows of one length, so that no batch is padded. Symbols: B windows, S tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc.training.contract import Plan, Task

IGNORED = -100
"""Target of a padded place, which no loss counts."""


@dataclass(frozen=True, slots=True)
class Corruption:
    """How windows are corrupted: share of tokens, mean length of a span, sentinels in the order of the spans, end."""

    share: float
    span: float
    sentinels: tuple[int, ...]
    end: int


def corrupted(tokens: np.ndarray, how: Corruption, random: np.random.Generator) -> tuple[list[int], list[int]]:
    """A window with spans replaced by sentinels, and what stood in their places, each behind its sentinel.

    Args:
        tokens: ``(S,)`` int64, S >= 2.
        how: Share, spans, sentinels.
        random: What draws the spans.

    Returns:
        What the encoder reads, and what the decoder writes: sentinel, tokens of the span, ..., a last sentinel, end.
    """
    count = len(tokens)
    noise = min(max(round(count * how.share), 1), count - 1)
    spans = min(max(round(noise / how.span), 1), noise, count - noise, len(how.sentinels) - 1)
    hidden, shown = (_pieces(total, spans, random) for total in (noise, count - noise))
    read: list[int] = []
    written: list[int] = []
    place = 0
    for number in range(spans):
        read += [*tokens[place : place + shown[number]].tolist(), how.sentinels[number]]
        place += shown[number]
        written += [how.sentinels[number], *tokens[place : place + hidden[number]].tolist()]
        place += hidden[number]
    return read, [*written, how.sentinels[spans], how.end]


def _pieces(total: int, count: int, random: np.random.Generator) -> list[int]:
    """``total`` divided into ``count`` lengths of at least one, each division as likely as any other."""
    cuts = np.sort(random.permutation(total - 1)[: count - 1]) + 1
    ends = [0, *cuts.tolist(), total]
    return [after - before for before, after in pairwise(ends)]


def packed(texts: Sequence[Sequence[int]], length: int) -> list[np.ndarray]:
    """Texts as tokens end to end, cut into windows ``(length,)`` int64; a rest of fewer than two tokens is dropped."""
    stream = np.array([token for text in texts for token in text], np.int64)
    windows = [stream[start : start + length] for start in range(0, len(stream), length)]
    return [one for one in windows if len(one) > 1]


class Packed:
    """Windows as batches, in a new order in each epoch."""

    def __init__(self, windows: Sequence[np.ndarray], *, batch: int) -> None:
        self.windows, self.batch = windows, batch

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        """Every window once."""
        order = torch.randperm(len(self.windows), generator=generator).tolist()
        size = self.batch * world
        return [Plan(tuple(order[start : start + size])) for start in range(0, len(order), size)]

    def load(self, plan: Plan) -> tuple[Tensor, Tensor]:
        """Tokens ``(B, S)``, padded with 0, and lengths ``(B,)``; they are corrupted as an augmentation."""
        rows = [self.windows[place] for place in plan.items]
        return _padded(rows, 0), torch.tensor([len(row) for row in rows])


def _padded(rows: Sequence[Sequence[int] | np.ndarray], fill: int) -> Tensor:
    found = np.full((len(rows), max(map(len, rows))), fill, np.int64)
    for place, row in enumerate(rows):
        found[place, : len(row)] = row
    return torch.from_numpy(found)


def corrupt(batch: tuple[Tensor, Tensor], generator: torch.Generator, *, how: Corruption) -> tuple[Tensor, Tensor]:
    """Windows and lengths as what is read ``(B, S')``, 0 where padded, and written ``(B, W)``, -100 where padded."""
    random = np.random.default_rng(int(torch.randint(2**62, (), generator=generator)))
    pairs = [corrupted(row[:length].numpy(), how, random) for row, length in zip(*batch, strict=True)]
    return _padded([read for read, _ in pairs], 0), _padded([written for _, written in pairs], IGNORED)


def task(module: nn.Module, learned: Packed, held: Packed, how: Corruption, facts: Mapping[str, object]) -> Task:
    """The task of the loop: judged by the loss and the share of tokens right on held-out windows, corrupted once."""
    same = torch.Generator().manual_seed(0)
    plans = held.plan(1, torch.Generator().manual_seed(0))
    fixed = [corrupt(held.load(plan), same, how=how) for plan in plans]

    def judge(trained: nn.Module) -> dict[str, float]:
        device = next(trained.parameters()).device
        return _judged(trained, [(read.to(device), written.to(device)) for read, written in fixed])

    def loss(trained: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        return {"tokens": _predicted(trained, *batch).loss}

    def augment(batch: tuple[Tensor, Tensor], generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return corrupt(batch, generator, how=how)

    return Task(module, learned, loss, judge=judge, augment=augment, facts=facts)


def _predicted(module: nn.Module, read: Tensor, written: Tensor) -> Any:
    """What transformers gives, with ``loss`` and ``logits``."""
    return module(input_ids=read, attention_mask=(read != 0).long(), labels=written)


def _judged(module: nn.Module, batches: Sequence[tuple[Tensor, Tensor]]) -> dict[str, float]:
    lost, right, count = 0.0, 0, 0
    with torch.inference_mode():
        for read, written in batches:
            found, real = _predicted(module, read, written), written != IGNORED
            lost += float(found.loss) * int(real.sum())
            right += int(((found.logits.argmax(-1) == written) & real).sum())
            count += int(real.sum())
    return {"loss": lost / count, "accuracy": right / count}
