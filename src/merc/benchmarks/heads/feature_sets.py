"""The steps from a frozen identity embedding to the features that a head reads: each adds one thing to the one before.

A source is a matrix of numbers for each item; a step joins sources and says how the head on them is trained.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from merc.benchmarks.heads.cell import FeatureSet
from merc.benchmarks.heads.inner_layers import FaceLayers, SpeechLayers, VoiceLayers
from merc.benchmarks.heads.splits import Division
from merc.cache import Cache
from merc.errors import InputError
from merc.features.face import FaceCellsEncoder
from merc.features.of_items import Vectors, features, of_items
from merc.features.pictures import UprightFaces
from merc.progress import Progress
from merc.recipes.head_training import HeadOptions
from merc.recipes.samples import SELECTORS, Sample


@dataclass(frozen=True, slots=True)
class Source:
    """An encoder and the columns of its vectors that count (all by default)."""

    make: Callable[[int], Vectors]
    columns: slice = field(default_factory=lambda: slice(None))


@dataclass(frozen=True, slots=True)
class Step:
    """A row of the ablation: what is read, and how its training differs from that of the shipped head.

    ``by_person`` brings every column to mean 0 and variance 1 within each person: without labels, but it needs the
    person's other recordings. ``linear`` takes a linear head with a strong penalty. ``shipped`` marks what the shipped
    head does; it and ``best`` are measured everywhere, the others on the divisions that compare.
    """

    name: str
    modality: str
    sources: tuple[str, ...]
    changes: Mapping[str, Any] = field(default_factory=dict)
    by_person: bool = False
    linear: bool = False
    shipped: bool = False
    best: bool = False

    def options(self, *, threads: int = 1) -> HeadOptions:
        """How its head is trained."""
        return HeadOptions(threads=threads, **self.changes)


def _registered(name: str, threads: int) -> Vectors:
    return of_items(name, threads=threads)


SOURCES: Mapping[str, Source] = MappingProxyType(
    {
        "CAM++ embedding": Source(partial(_registered, "campplus")),
        "CAM++ layers": Source(VoiceLayers),
        "Whisper last": Source(SpeechLayers, slice(-1024, None)),
        "Whisper layers": Source(SpeechLayers),
        "FaceNet embedding": Source(partial(_registered, "facenet")),
        "FaceNet cells": Source(partial(_registered, "facenet-expression")),
        "FaceNet finer cells": Source(FaceLayers),
        "FaceNet upright cells": Source(lambda threads: UprightFaces(FaceCellsEncoder(threads=threads))),
    }
)
_NARROW: dict[str, Any] = {"hidden": (64, 128)}
_UPRIGHT: dict[str, Any] = {"hidden": (128, 128), "dropout": 0.5, "balance": 0.0, "smoothing": 0.05}
_WIDE = _NARROW | {"dropout": 0.5}

STEPS: tuple[Step, ...] = (
    Step("CAM++ embedding (192)", "voice", ("CAM++ embedding",), shipped=True),
    Step("CAM++ layers", "voice", ("CAM++ layers",), _WIDE),
    Step("Whisper last layer", "voice", ("Whisper last",), _WIDE),
    Step("Whisper layers", "voice", ("Whisper layers",), _WIDE),
    Step("Whisper layers, linear head", "voice", ("Whisper layers",), linear=True, best=True),
    Step("Whisper layers, linear, normalised by speaker", "voice", ("Whisper layers",), linear=True, by_person=True),
    Step("Whisper and CAM++ layers, linear", "voice", ("Whisper layers", "CAM++ layers"), linear=True),
    Step("FaceNet embedding (512)", "face", ("FaceNet embedding",), {"hidden": (256, 128), "balance": 0.0}),
    Step("FaceNet cells (5,376)", "face", ("FaceNet cells",), _NARROW | {"balance": 0.0}),
    Step("FaceNet cells, class balance 0.5", "face", ("FaceNet cells",), _NARROW),
    Step("FaceNet finer cells, mirrored too (16,128)", "face", ("FaceNet finer cells",), _WIDE, best=True),
    Step("FaceNet finer cells, upright (14,336)", "face", ("FaceNet upright cells",), _UPRIGHT, shipped=True),
)
"""In the order in which they are read."""


class FeatureSets:
    """The samples of a modality and their vectors, each source encoded once and kept."""

    def __init__(
        self,
        modality: str,
        data: Path,
        *,
        threads: int = 1,
        cache: Cache | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Raises InputError for another modality and for a corpus that is missing."""
        if modality not in {step.modality for step in STEPS}:
            raise InputError(f"modality '{modality}': expected voice or face")
        self.samples = SELECTORS[modality](data, HeadOptions()).samples
        self._threads, self._cache, self._progress = threads, cache, progress
        self._held: dict[str, np.ndarray] = {}

    def of(self, step: Step, division: Division) -> FeatureSet:
        """The samples of a division with the vectors of a step; raises WeightError when an encoder is absent."""
        rows = division.rows(self.samples)
        samples = tuple(self.samples[row] for row in rows)
        vectors = np.hstack([self._source(name)[rows] for name in step.sources])
        if step.by_person:
            vectors = within_person(vectors, samples)
        return FeatureSet(division, samples, vectors, _hash(vectors, samples))

    def _source(self, name: str) -> np.ndarray:
        source = SOURCES[name]
        if name not in self._held:
            items = [sample.item for sample in self.samples]
            told = _named(self._progress, name)
            self._held[name] = features(items, source.make(self._threads), cache=self._cache, progress=told)
        return self._held[name][:, source.columns]


def within_person(vectors: np.ndarray, samples: Sequence[Sample]) -> np.ndarray:
    """Every column brought to mean 0 and variance 1 within each person, ``(n, d)`` float32; labels play no part.

    Raises InputError for a sample of an unknown person.
    """
    people = [f"{sample.corpus}/{sample.item.speaker}" for sample in samples]
    if unknown := [sample.item.id for sample in samples if not sample.item.speaker]:
        raise InputError(f"item '{unknown[0]}': its person is unknown, so it cannot be standardised by person")
    result = np.empty_like(vectors)
    for person in sorted(set(people)):
        rows = [row for row, name in enumerate(people) if name == person]
        deviation = vectors[rows].std(axis=0)
        result[rows] = (vectors[rows] - vectors[rows].mean(axis=0)) / np.where(deviation > 0, deviation, 1)
    return result


def _named(progress: Progress | None, name: str) -> Progress | None:
    return (lambda stage, done, total: progress(name, done, total)) if progress else None


def _hash(vectors: np.ndarray, samples: Sequence[Sample]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(vectors).data)
    digest.update("\n".join(f"{sample.corpus}/{sample.item.id}\t{sample.label}" for sample in samples).encode())
    return digest.hexdigest()
