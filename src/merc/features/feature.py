"""The values of one modality by utterance id: vectors, sequences of vectors, token numbers, or sound.

A missing vector is absent, never zeros: its id has no row, or its row is NaN throughout. A row with some NaN is a
mistake of whoever made it and is refused.
"""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from merc.errors import InputError
from merc.features.encoder import difference

KINDS = ("values", "tokens", "sound")
"""What a row is: vectors, token numbers of a vocabulary, or samples of sound."""
LIMIT = 5.0
"""Standard deviations; an outlier beyond them is set to the edge."""
_BLOCK = 1 << 23  # numbers that are measured at once, 64 MB


class LazyRows(Mapping[str, np.ndarray]):
    """Sequences by utterance id that are read at access; how many steps each has is known without reading it."""

    @abstractmethod
    def steps(self, name: str) -> int:
        """Steps of an utterance, 0 where it has no row."""

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.steps(name) > 0


@dataclass(frozen=True, slots=True)
class Feature:
    """Values of one modality by utterance.

    Attributes:
        source: Names the encoder or table.
        width: d of a vector; the size of the vocabulary for token numbers, 1 for sound.
        rows: By utterance id ``(d,)`` or ``(steps, d)`` float32, token numbers ``(steps,)`` int64, sound ``(samples,)``
            float32; ``LazyRows`` where they are read at access.
        sha256: Hash of the content, or of what the values were made with.
        notes: What was done to the values.
        encoder: Description of the encoder: name, weight hash, options.
        kind: One of ``KINDS``.
    """

    source: str
    width: int
    rows: Mapping[str, np.ndarray]
    sha256: str = ""
    notes: tuple[str, ...] = ()
    encoder: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "values"

    @property
    def sequence(self) -> bool:
        """Whether an utterance may have several steps."""
        if self.kind != "values" or isinstance(self.rows, LazyRows):
            return True
        return any(row.ndim > 1 for row in self.rows.values())

    def steps(self, name: str) -> int:
        """Steps of an utterance: 0 where it has no value, 1 for a vector."""
        if isinstance(self.rows, LazyRows):
            return self.rows.steps(name)
        row = self.rows.get(name)
        if row is None:
            return 0
        return 1 if self.kind == "values" and row.ndim == 1 else len(row)

    @property
    def origin(self) -> str:
        """What a reader of an error needs in order to make the same again: the source and its encoder's weight."""
        weight = self.encoder.get("sha256")
        return f"{self.source} of weight {str(weight)[:12]}…" if weight else self.source

    @classmethod
    def of(cls, ids: Sequence[str], values: np.ndarray, *, source: str, sha256: str = "") -> Feature:
        """From a matrix ``(n, d)``; rows that are NaN throughout are missing.

        Raises InputError for a row with some NaN or infinite values, for another number of rows, for an id twice.
        """
        if values.ndim != 2 or len(values) != len(ids) or len(set(ids)) != len(ids):
            raise InputError(
                f"features '{source}': {len(ids)} ids ({len(set(ids))} distinct) for {values.shape} values"
            )
        missing = np.isnan(values).all(1)
        broken = ~np.isfinite(values).all(1) & ~missing
        if broken.any():
            first = int(np.flatnonzero(broken)[0])
            columns = np.flatnonzero(~np.isfinite(values[first]))
            raise InputError(
                f"features '{source}': {int(broken.sum())} rows hold NaN or infinite values, first '{ids[first]}' in "
                f"column {columns[0]}; a missing vector is NaN in every column or has no row"
            )
        kept = values.astype(np.float32)
        rows = {name: kept[place] for place, name in enumerate(ids) if not missing[place]}
        return cls(source, values.shape[1], rows, sha256)

    def lacking(self, ids: Iterable[str]) -> list[str]:
        """The utterances without a value, in the order given."""
        return [name for name in ids if name not in self.rows]


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean and standard deviation of each dimension, measured on training utterances: ``(d,)`` float32 each."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, feature: Feature, ids: Iterable[str]) -> Scaling:
        """Measure on the utterances given, of which a few are in memory at a time.

        Raises:
            InputError: When none of them has a value.
        """
        moments = None
        for block in _blocks(feature, ids):
            moments = _merged(moments, (len(block), block.mean(0), block.std(0)))
        if moments is None:
            raise InputError(f"features '{feature.source}': no training utterance has a value; compare the ids")
        _, mean, deviation = moments
        return cls(mean.astype(np.float32), np.where(deviation > 1e-6, deviation, 1.0).astype(np.float32))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Scaled values, cut off at five standard deviations."""
        scaled: np.ndarray = np.clip((values - self.mean) / self.deviation, -LIMIT, LIMIT)
        return scaled


_Moments = tuple[int, np.ndarray, np.ndarray]  # count, mean and standard deviation


def _blocks(feature: Feature, ids: Iterable[str]) -> Iterator[np.ndarray]:
    """The values of utterances, ``(n, d)`` float64, as many at once as fit a block."""
    rows: list[np.ndarray] = []
    size = 0
    for name in ids:
        if name not in feature.rows:
            continue
        rows.append(np.atleast_2d(feature.rows[name]))
        size += rows[-1].size
        if size >= _BLOCK:
            yield np.concatenate(rows).astype(np.float64)
            rows, size = [], 0
    if rows:
        yield np.concatenate(rows).astype(np.float64)


def _merged(one: _Moments | None, other: _Moments) -> _Moments:
    """Moments of two samples together (Chan, Golub and LeVeque 1979)."""
    if one is None:
        return other
    count = one[0] + other[0]
    share = other[0] / count
    apart = other[1] - one[1]
    variance = (1 - share) * one[2] ** 2 + share * other[2] ** 2 + share * (1 - share) * apart**2
    return count, one[1] + share * apart, np.sqrt(variance)


class MappedRows(LazyRows):
    """Sequences that are read at access and then changed by a function of the utterance id and its row."""

    def __init__(self, rows: LazyRows, change: Callable[[str, np.ndarray], np.ndarray]) -> None:
        self.rows, self.change = rows, change

    def __getitem__(self, name: str) -> np.ndarray:
        return self.change(name, self.rows[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def steps(self, name: str) -> int:
        """Steps of an utterance, 0 where it has no row."""
        return self.rows.steps(name)


Origins = Mapping[str, Mapping[str, Any]]
"""By modality the ``hash`` of the features, what they were ``made`` with in words, and the ``encoder`` as described."""


def origins(features: Mapping[str, Feature]) -> dict[str, dict[str, Any]]:
    """Where features come from, for the record of a checkpoint; as JSON can hold it."""
    return {
        name: {"hash": one.sha256, "made": one.origin, "encoder": json.loads(json.dumps(dict(one.encoder)))}
        for name, one in features.items()
    }


def refuse_others(now: Origins, then: Origins, *, where: Path) -> None:
    """Raise InputError when the features of now are not those that a checkpoint was trained on."""
    for name, one in now.items():
        before = then.get(name, {})
        if one["hash"] != before.get("hash"):
            raise InputError(
                f"{where}: the {name} features were made with other weights or from another file: {_named(one)}; the "
                f"checkpoint was trained on {_named(before)}{_unlike(one, before)}; prepare them again as they were, "
                "or train again into another folder"
            )


def _unlike(now: Mapping[str, Any], then: Mapping[str, Any]) -> str:
    """In what the descriptions of two encoders differ, where both are known."""
    found = difference(now["encoder"], then["encoder"]) if now.get("encoder") and then.get("encoder") else ""
    return f" ({found})" if found else ""


def _named(origin: Mapping[str, Any]) -> str:
    return f"{origin.get('made', 'others')}, hash {origin.get('hash', 'none')[:12]}…"
