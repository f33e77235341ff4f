"""Sounds as training data: log-mel spectrograms in batches of similar length, with labels and clusters where known.

Symbols: B sounds, S frames of 20 ms of the longest of them, K levels of clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from merc.backbones.whisper import FRAME, RATE, Mels
from merc.errors import InputError
from merc.features.sound import loud_span
from merc.training.contract import Plan

UNLABELLED = -1
SPREAD = 0.2
"""Seconds by which the lengths that batches are sorted by are shuffled."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Sounds of a batch.

    Attributes:
        mels: Log-mel spectrograms.
        labels: Class numbers int64 ``(B,)``, -1 where there is none.
        clusters: Cluster numbers int64 ``(B, S, K)``; K is 0 where there are none.
        masked: bool ``(B, S)``, frames that the encoder does not see.
        hidden: bool ``(B, d)``, features of frames that it does not see; d is 0 where it sees all.
    """

    mels: Mels
    labels: Tensor
    clusters: Tensor
    masked: Tensor
    hidden: Tensor

    @property
    def real(self) -> Tensor:
        """bool ``(B, S)``, False for padding."""
        return torch.arange(self.masked.shape[1], device=self.mels.frames.device) < self.mels.frames[:, None]


@dataclass(frozen=True)
class Sounds:
    """Sounds by name as training data.

    Args:
        rows: Samples at 16 kHz, float32; read when a batch is loaded.
        names: Those that are used.
        prepare: Makes log-mel spectrograms.
        labels: Class numbers by name, as far as known.
        clusters: Cluster numbers int64 ``(frames, K)`` by name.
        seconds: What is read of a sound; the rest is cut.
        batch_seconds: Padded seconds of a batch.

    Raises:
        InputError: There are none.
    """

    rows: Mapping[str, np.ndarray]
    names: Sequence[str]
    prepare: Callable[[Sequence[np.ndarray]], Mels]
    labels: Mapping[str, int] = field(default_factory=dict)
    clusters: Mapping[str, np.ndarray] = field(default_factory=dict)
    seconds: float = 10.0
    batch_seconds: float = 120.0

    def __post_init__(self) -> None:
        if not self.names:
            raise InputError("no sound to train on; check the protocol, the fold and that the corpus is complete")

    def wave(self, name: str) -> np.ndarray:
        """A sound without the silence around it, cut to ``seconds``."""
        wave = np.asarray(self.rows[name], np.float32)
        first, last = loud_span(wave)
        return wave[first : min(last, first + round(self.seconds * RATE))]

    @cached_property
    def lengths(self) -> dict[str, int]:
        """Frames of each sound."""
        return {name: -(-len(self.wave(name)) // FRAME) for name in self.names}

    @property
    def hours(self) -> float:
        """Hours of sound."""
        return sum(self.lengths.values()) * FRAME / RATE / 3600

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        """Batches of an epoch: sounds of similar length together, batches in random order."""
        noise = torch.rand(len(self.names), generator=generator).tolist()
        frames = [self.lengths[name] for name in self.names]
        order = sorted(range(len(frames)), key=lambda n: frames[n] * FRAME / RATE + SPREAD * noise[n])
        batches: list[list[int]] = [[]]
        for number in order:
            longest = max(frames[one] for one in [*batches[-1], number])
            if batches[-1] and (len(batches[-1]) + 1) * longest * FRAME > self.batch_seconds * world * RATE:
                batches.append([])
            batches[-1].append(number)
        return [Plan(tuple(batches[n])) for n in torch.randperm(len(batches), generator=generator).tolist()]

    def load(self, plan: Plan) -> Batch:
        """A batch with nothing masked."""
        return self.batch([self.names[number] for number in plan.items])

    def batch(self, names: Sequence[str]) -> Batch:
        """Some sounds, in the order given, with nothing masked."""
        mels = self.prepare([self.wave(name) for name in names])
        frames = int(mels.frames.max())
        levels = next(iter(self.clusters.values())).shape[1] if self.clusters else 0
        clusters = torch.zeros(len(names), frames, levels, dtype=torch.int64)
        for row, name in zip(clusters, names, strict=True):
            if levels:
                row[: len(self.clusters[name])] = torch.from_numpy(self.clusters[name])
        labels = torch.tensor([self.labels.get(name, UNLABELLED) for name in names])
        masked = torch.zeros(len(names), frames, dtype=torch.bool)
        return Batch(mels, labels, clusters, masked, torch.zeros(len(names), 0, dtype=torch.bool))

    def in_order(self) -> list[list[str]]:
        """Names in batches by length, for reading."""
        names = sorted(self.names, key=lambda name: (self.lengths[name], name))
        size = max(1, round(self.batch_seconds / (max(self.lengths.values()) * FRAME / RATE)))
        return [names[start : start + size] for start in range(0, len(names), size)]


def some_labels(labels: Mapping[str, int], *, share: float, seed: int) -> dict[str, int]:
    """A share of the labels, drawn class by class by the seed, at least one of each class.

    Example:
        >>> labels = {f"clip-{n}": n % 2 for n in range(40)}
        >>> sorted(some_labels(labels, share=0.1, seed=0).values())
        [0, 0, 1, 1]
    """
    random, kept = np.random.default_rng(seed), set()
    for one in sorted(set(labels.values())):
        own = sorted(name for name, label in labels.items() if label == one)
        kept |= set(random.permutation(own)[: max(1, round(share * len(own)))].tolist())
    return {name: label for name, label in labels.items() if name in kept}
