"""Batches of tensors whose sizes a graph can follow: no packing, and no loop over the utterances of a batch.

``DenseRows`` and ``DenseSteps`` answer what systems ask of ``merc.nn.rows.Rows``. Symbols: B dialogues of T utterances,
n = B T, S steps of the longest utterance, d the width of a modality.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor

from merc.nn.rows import frames_of_tokens
from merc.systems import UNLABELLED, Batch


class DenseRows:
    """One vector per utterance where every utterance has a place.

    Args:
        values: ``(B, T, d)``.
        present: bool ``(B, T)``.
    """

    def __init__(self, values: Tensor, present: Tensor) -> None:
        self.dense, self.present = values, present
        self.lengths = present.long()

    def vectors(self) -> Tensor:
        """``(B, T, d)``, zeros where absent."""
        return self.dense * self.present[..., None]

    def steps(self) -> tuple[Tensor, Tensor]:
        """The vectors as sequences of one step: ``(n, 1, d)`` and their mask, bool ``(n, 1)``."""
        return self.vectors().flatten(0, 1)[:, None], self.present.flatten()[:, None]


class DenseSteps:
    """Padded steps of utterances, the real ones in front.

    Args:
        padded: ``(n, S, d)``, or ``(n, S)`` for token numbers.
        lengths: int64 ``(B, T)``, real steps of each utterance, 0 where the modality is absent.
    """

    def __init__(self, padded: Tensor, lengths: Tensor) -> None:
        self.padded, self.lengths = padded, lengths

    @property
    def present(self) -> Tensor:
        """True where an utterance has the modality: bool ``(B, T)``."""
        return self.lengths > 0

    @property
    def mask(self) -> Tensor:
        """True for a real step: bool ``(n, S)``."""
        return torch.arange(self.padded.shape[1])[None] < self.lengths.flatten()[:, None]

    @property
    def values(self) -> Tensor:
        """The steps of a batch of one utterance ``(S, d)``; one of padding where it has none."""
        return self.padded[0]

    def like(self, values: Tensor) -> DenseSteps:
        """Other values ``(S, d)`` for the same steps, in a batch of one utterance."""
        return DenseSteps(values[None], self.lengths)

    def spread(self, vectors: Tensor, mask: Tensor) -> Tensor:
        """The vector ``(1, d)`` of a batch of one utterance for each of its steps: ``(S, d)``."""
        return vectors.expand(self.padded.shape[1], -1)

    def steps(self) -> tuple[Tensor, Tensor]:
        """``(n, S, d)``, zeros in padding, and the mask."""
        mask = self.mask
        real = mask if self.padded.ndim == 2 else mask[..., None]
        return self.padded * real, mask

    def vectors(self) -> Tensor:
        """The mean over each utterance's steps: ``(B, T, d)``."""
        values, _ = self.steps()
        means = values.sum(1) / self.lengths.flatten().clamp_min(1)[:, None]
        return means.view(*self.lengths.shape, -1)

    def chunks(self, most: int) -> DenseSteps:
        """At most so many steps: means of contiguous chunks, the longer ones first; see ``Rows.chunks``."""
        lengths = self.lengths.flatten()[:, None]  # (n, 1)
        kept = lengths.clamp_max(most)
        place = torch.arange(kept.max().clamp_min(1))[None]  # type: ignore[call-overload]  # a number in the graph
        base, longer = lengths // kept.clamp_min(1), lengths % kept.clamp_min(1)
        first = place * base + torch.minimum(place, longer)
        return self._means(first, first + base + (place < longer), self.lengths.clamp_max(most))

    def slower(self, count: int) -> DenseSteps:
        """One step for every ``count``: their mean, at the end that of those that are left."""
        if count == 1:
            return self
        lengths = self.lengths.flatten()[:, None]
        fewer = (self.lengths + count - 1) // count
        place = torch.arange(fewer.max().clamp_min(1))[None]  # type: ignore[call-overload]
        first = place * count
        return self._means(first, torch.minimum(first + count, lengths), fewer)

    def _means(self, first: Tensor, last: Tensor, lengths: Tensor) -> DenseSteps:
        """Means of the steps from ``first`` to before ``last``, ``(n, S')`` each."""
        running = torch.nn.functional.pad(self.steps()[0].double().cumsum(1), (0, 0, 1, 0))  # (n, S + 1, d)
        most = running.shape[1] - 1
        ends = [running.gather(1, _wide(place.clamp(0, most), running)) for place in (first, last)]
        means = (ends[1] - ends[0]) / (last - first).clamp_min(1)[..., None]
        return DenseSteps(means.to(self.padded.dtype), lengths)


def _wide(places: Tensor, values: Tensor) -> Tensor:
    """Places ``(n, S')`` for a gather of ``values (n, S, d)`` along its steps."""
    rows = values.shape[0]
    return places.expand(rows, -1)[..., None].expand(-1, -1, values.shape[2])


class DenseBatch(Batch):
    """A batch around dense rows, without the checks of shapes, which a graph cannot make; make one with `dense`."""

    def __post_init__(self) -> None:
        """Check nothing."""

    def aligned(
        self, names: Collection[str] | None = None, *, to: str = "text"
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Modalities on shared steps; see ``Batch.aligned``."""
        rows: dict[str, Any] = {name: self.rows[name] for name in (self.rows if names is None else names)}
        lengths = {name: one.lengths.flatten() for name, one in rows.items()}  # (n,) each
        shared = torch.stack(list(lengths.values())).amax(0)
        if to in lengths:
            shared = torch.where(lengths[to] > 0, lengths[to], shared)
        token = torch.arange(shared.max().clamp_min(1))[None]  # type: ignore[call-overload]
        values, masks = {}, {}
        for name, one in rows.items():
            frames = frames_of_tokens(shared, lengths[name], token=token)  # (n, S')
            masks[name] = (token < shared[:, None]) & (lengths[name] > 0)[:, None]
            steps, _ = one.steps()
            frames = frames.clamp(max=steps.shape[1] - 1)
            values[name] = steps.gather(1, _wide(frames, steps)) * masks[name][..., None]
        return values, masks


def dense(rows: Mapping[str, Any], speakers: Tensor) -> DenseBatch:
    """An unlabelled batch around dense rows, all of whose utterances are real; ``speakers (B, T)``."""
    mask, zeros = torch.ones_like(speakers, dtype=torch.bool), torch.zeros_like(speakers)
    values = {
        "rows": rows,
        "mask": mask,
        "speakers": speakers,
        "labels": zeros + UNLABELLED,
        "weights": mask.float(),
        "people": zeros - 1,
        "targets": mask[..., None][..., :0].float(),
        "universal": zeros[..., None][..., :0],
        "ids": (),
        "source": "",
    }
    batch = object.__new__(DenseBatch)
    for one in fields(Batch):
        object.__setattr__(batch, one.name, values[one.name])
    return batch
