"""The feature store: what encoders made of a corpus, ragged arrays by utterance, with descriptions of the encoders.

A store is a folder with one folder a feature ("mpnet", "campplus", …). Each holds ``meta.json`` (the encoder's name,
weight hash, options and shape) and shards, ``shard-00000.safetensors`` and so on. A shard is one file of values,
offsets and an index, is complete or absent, and carries the hash of its own content, so that an interrupted run
resumes with the next shard and damage is found. An utterance without a vector has a row too: its reason.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from merc import reading
from merc.cache import key, replacing
from merc.errors import FormatError, InputError
from merc.features import shard
from merc.features.encoder import difference
from merc.features.shard import Row, Shard

FORMAT = 1
SHARD = 64
"""Utterances of a shard: what an interrupted run loses at most."""


@dataclass(frozen=True, slots=True)
class Feature:
    """What one encoder's arrays in a store are.

    ``shape`` is that of one row, such as (768,); a ``sequence`` has any number of rows per utterance (tokens, frames),
    anything else exactly one. ``description`` names all that a value depends on: encoder, weight hash, options.
    """

    name: str
    shape: tuple[int, ...]
    description: Mapping[str, Any]
    sequence: bool = False
    half: bool = False  # stored as float16, which halves the disk; values are returned as float32
    corpus: str = ""
    licence: str = ""
    checked: str = ""
    """SHA-256 of the verdicts that left unsound utterances without a vector; empty: not checked."""

    def __post_init__(self) -> None:
        if not self.name or not all(sign.isalnum() or sign in "-_." for sign in self.name) or self.name[0] == ".":
            raise InputError(f"feature name '{self.name}': expected letters, digits, '-', '_' and '.': it is a folder")
        if not self.shape or min(self.shape) < 1:
            raise InputError(f"feature '{self.name}' has rows of shape {self.shape}: expected numbers of at least 1")

    @property
    def dtype(self) -> str:
        """Type of the values on disk."""
        return "float16" if self.half else "float32"


@dataclass(frozen=True, slots=True)
class Summary:
    """What a store holds of one feature: counts of utterances, rows, shards and bytes, and why vectors are missing."""

    feature: Feature
    utterances: int
    present: int
    rows: int
    shards: int
    bytes: int
    reasons: Mapping[str, int] = field(default_factory=dict)


class Writer:
    """Adds utterances to one feature of a store; use it in a ``with`` block, one writer a feature at a time.

    ``done`` holds the utterances that are there already: leave them out. Shards are filled in the order of ``add``, so
    that an interrupted run that is resumed writes the same bytes.

    Args:
        folder: The store.
        feature: What is written.
        size: Utterances of a shard.
        retry: Remove the shards in which a vector is missing, so that their utterances are no longer in ``done``.

    Raises:
        InputError: the folder holds the feature of another encoder, weight or option.
        FormatError: a shard is damaged.
    """

    def __init__(self, folder: Path, feature: Feature, *, size: int = SHARD, retry: bool = False) -> None:
        if size < 1:
            raise InputError(f"shards of {size} utterances: expected at least 1")
        self.feature, self.size = feature, size
        self._folder = Path(folder) / feature.name
        self._claim()
        there = shard.shards(self._folder)
        self._next = 1 + max((one.number for one in there), default=-1)
        if retry:
            there = _complete(there)
        self.done = {utterance for one in there for utterance in one.ids}
        self._waiting: list[Row] = []

    def _claim(self) -> None:
        """Write what the feature is, or make sure that the folder holds the same."""
        path = self._folder / "meta.json"
        if path.exists():
            there = _read_meta(path)
            if unlike := difference(_document(there), _document(self.feature)):
                raise InputError(
                    f"{self._folder} holds a feature made otherwise ({unlike}): choose another folder or remove it"
                )
        else:
            with replacing(path) as temporary:
                temporary.write_text(json.dumps(_document(self.feature), indent=1) + "\n", encoding="utf-8")
        for left in self._folder.glob(".*"):  # of a run that was interrupted while it wrote
            left.unlink(missing_ok=True)

    def add(self, utterance: str, values: np.ndarray | None, *, reason: str | None = None) -> None:
        """Add an utterance: an array of rows (of one row: without that axis too), or None and the reason.

        Raises InputError for an utterance that is there already, values of another shape or that are not finite, and
        None without a reason.
        """
        if utterance in self.done:
            raise InputError(f"utterance '{utterance}' is in {self._folder} already: leave out those in 'done'")
        if (values is None) == (reason is None):
            raise InputError(f"utterance '{utterance}': give either values or the reason why there are none")
        self._waiting.append((utterance, None if values is None else self._checked(utterance, values), reason))
        self.done.add(utterance)
        if len(self._waiting) >= self.size:
            self.flush()

    def _checked(self, utterance: str, values: np.ndarray) -> np.ndarray:
        shape = self.feature.shape
        rows = values[None] if values.shape == shape else values
        fits = rows.shape[1:] == shape and len(rows) > 0 and (self.feature.sequence or len(rows) == 1)
        if not fits:
            count = "rows" if self.feature.sequence else "one row"
            raise InputError(
                f"utterance '{utterance}': values of shape {values.shape}, expected {count} of shape {shape}"
            )
        rows = np.ascontiguousarray(rows, self.feature.dtype)
        if not np.isfinite(rows).all():
            raise InputError(
                f"utterance '{utterance}': some values are not finite {self.feature.dtype}; give a reason instead"
            )
        return rows

    def flush(self) -> None:
        """Write what waits as a shard, full or not."""
        if not self._waiting:
            return
        shape, dtype = self.feature.shape, self.feature.dtype
        shard.write(self._folder, self._next, self._waiting, shape=shape, dtype=dtype)
        self._next, self._waiting = self._next + 1, []

    def __enter__(self) -> Writer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write the rest, unless the block failed: shards then stay what an uninterrupted run would write."""
        if kind is None:
            self.flush()


class Store:
    """A feature store, open for reading; make it with `Store.open`.

    Methods raise InputError for an ``encoder`` that the store lacks, and an utterance that was never prepared.

    Args:
        folder: The store.
        features: By name what each is.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with Writer(Path(folder), Feature("mpnet", (2,), {"encoder": "mpnet"})) as writer:
        ...         writer.add("u1", np.ones(2))
        ...     Store.open(folder).pooled("mpnet", ["u1"]).tolist()
        [[1.0, 1.0]]
    """

    def __init__(self, folder: Path, features: Mapping[str, Feature]) -> None:
        self.folder, self.features = folder, dict(features)
        self._shards: dict[str, list[Shard]] = {}
        self._places: dict[str, dict[str, tuple[int, int]]] = {}
        self._ends: dict[str, list[np.ndarray]] = {}

    @classmethod
    def open(cls, folder: str | Path) -> Store:
        """Open a store.

        Args:
            folder: What ``merc prepare`` wrote.

        Returns:
            The store, of which nothing but descriptions is read yet.

        Raises:
            InputError: the folder is not a store.
            FormatError: a ``meta.json`` cannot be read.
        """
        folder = Path(folder)
        paths = sorted(folder.glob("*/meta.json"))
        if not paths:
            raise InputError(
                f"{folder} is not a feature store: expected folders with meta.json; run 'merc prepare' first"
            )
        return cls(folder, {path.parent.name: _read_meta(path) for path in paths})

    @property
    def encoders(self) -> tuple[str, ...]:
        """Names of the features, sorted."""
        return tuple(sorted(self.features))

    def ids(self, encoder: str) -> list[str]:
        """The utterances of ``encoder``, also those without a vector, in the order in which they were written."""
        return [utterance for one in self._index(encoder) for utterance in one.ids]

    def reasons(self, encoder: str) -> dict[str, str]:
        """Why each utterance of ``encoder`` without a vector has none, by id."""
        return {utterance: reason for one in self._index(encoder) for utterance, reason in one.reasons.items()}

    def get(self, encoder: str, ids: Sequence[str]) -> list[np.ndarray | None]:
        """Arrays of ``encoder`` for the utterances ``ids``, in that order, float32 (rows, …); None without a vector."""
        found: list[np.ndarray | None] = [None] * len(ids)
        for number, array in self._each(encoder, ids):
            found[number] = array
        return found

    def _each(self, encoder: str, ids: Sequence[str]) -> Iterator[tuple[int, np.ndarray]]:
        """The numbers and arrays of the utterances that have one, a shard at a time."""
        shards = self._index(encoder)
        wanted: dict[int, list[tuple[int, int]]] = {}
        for number, utterance in enumerate(ids):
            place, row = self._place(encoder, utterance)
            wanted.setdefault(place, []).append((number, row))
        for place, numbers in wanted.items():
            values, ends = shards[place].values(), self._ends[encoder][place]
            for number, row in numbers:
                if ends[row + 1] > ends[row]:
                    yield number, values[ends[row] : ends[row + 1]].astype(np.float32)

    def counts(self, encoder: str) -> dict[str, int]:
        """Rows that ``encoder`` gave each utterance, in the order in which they were written; 0 without a vector."""
        return {name: rows for one in self._index(encoder) for name, rows in zip(one.ids, one.counts, strict=True)}

    def rows(self, encoder: str, utterance: str) -> np.ndarray:
        """Rows that ``encoder`` gave one ``utterance``, float32 (rows, …); none without a vector. Reads no others."""
        shards, place = self._index(encoder), self._place(encoder, utterance)
        first, last = self._ends[encoder][place[0]][place[1] : place[1] + 2]
        return shards[place[0]].rows(int(first), int(last)).astype(np.float32)

    def pooled(self, encoder: str, ids: Sequence[str]) -> np.ndarray:
        """Mean row of ``encoder`` for each of ``ids``, float32 (n, …); NaN where the vector is missing."""
        result = np.full((len(ids), *self._feature(encoder).shape), np.nan, np.float32)
        for number, array in self._each(encoder, ids):
            result[number] = array[0] if len(array) == 1 else array.mean(axis=0, dtype=np.float64)
        return result

    def fingerprint(self, encoder: str) -> str:
        """SHA-256 of what the feature of ``encoder`` is and holds: what names it in the record of a result."""
        hashes = [one.sha256 for one in self._index(encoder)]
        return key(_document(self._feature(encoder)), hashes)

    def info(self) -> list[Summary]:
        """Sum the store up.

        Returns:
            A row a feature.
        """
        return [self._summary(name) for name in self.encoders]

    def _summary(self, name: str) -> Summary:
        shards = self._index(name)
        counts = [count for one in shards for count in one.counts]
        reasons = Counter(reason for one in shards for reason in one.reasons.values())
        return Summary(
            feature=self.features[name],
            utterances=len(counts),
            present=sum(count > 0 for count in counts),
            rows=sum(counts),
            shards=len(shards),
            bytes=sum(one.path.stat().st_size for one in shards),
            reasons=dict(sorted(reasons.items(), key=lambda pair: (-pair[1], pair[0]))),
        )

    def verify(self) -> list[str]:
        """Read everything and name each problem: damage, counts, duplicates, foreign weights, gaps between features.

        Returns:
            Sentences; none where the store is sound.
        """
        problems: list[str] = []
        seen: dict[str, set[str]] = {}
        for name in self.encoders:
            problems += _foreign(self.features[name])
            ids: list[str] = []
            for path in shard.paths(self.folder / name):
                found, wrong = shard.check(path, shape=self.features[name].shape, dtype=self.features[name].dtype)
                ids += found
                problems += [f"{name}/{path.name}: {problem}" for problem in wrong]
            twice = sorted(utterance for utterance, count in Counter(ids).items() if count > 1)
            if twice:
                problems.append(f"{name}: {len(twice)} utterances are there twice, first '{twice[0]}'")
            seen[name] = set(ids)
        return problems + _gaps(seen)

    def _feature(self, name: str) -> Feature:
        if name not in self.features:
            raise InputError(
                f"feature '{name}' is not in {self.folder}, which holds {', '.join(self.encoders)}: prepare it first"
            )
        return self.features[name]

    def _place(self, name: str, utterance: str) -> tuple[int, int]:
        """The number of the shard that holds an utterance, and its place there."""
        places = self._places[name]
        if utterance not in places:
            raise InputError(
                f"utterance '{utterance}' is not among the {len(places)} of feature '{name}' in {self.folder}: "
                "prepare the corpus that it belongs to"
            )
        return places[utterance]

    def _index(self, name: str) -> list[Shard]:
        self._feature(name)
        if name not in self._shards:
            self._shards[name] = shard.shards(self.folder / name)
            self._ends[name] = [np.cumsum([0, *one.counts]) for one in self._shards[name]]
            self._places[name] = {
                utterance: (number, row)
                for number, one in enumerate(self._shards[name])
                for row, utterance in enumerate(one.ids)
            }
        return self._shards[name]


def _complete(shards: Sequence[Shard]) -> list[Shard]:
    """The shards in which no vector is missing; the others are removed."""
    for one in shards:
        if one.reasons:
            one.path.unlink()
    return [one for one in shards if not one.reasons]


def _foreign(feature: Feature) -> Iterator[str]:
    """A problem where a feature was made with other weights than this installation has under that name."""
    from merc.weights import WEIGHTS

    encoder, sha256 = feature.description.get("encoder"), feature.description.get("sha256")
    if encoder in list(WEIGHTS) and sha256 != WEIGHTS[str(encoder)].sha256:
        yield (
            f"{feature.name}: made with the weight {str(sha256)[:12]}… of '{encoder}', merc's is "
            f"{WEIGHTS[str(encoder)].sha256[:12]}…: prepare the corpus again"
        )


def _gaps(seen: Mapping[str, set[str]]) -> list[str]:
    """Utterances that some features hold and others do not: a run that has not ended."""
    everything = set().union(*seen.values()) if seen else set()
    problems = []
    for name in sorted(seen):
        absent = sorted(everything - seen[name])
        if absent:
            problems.append(
                f"{name}: lacks {len(absent)} utterances that others have, first '{absent[0]}': "
                "run 'merc prepare' again"
            )
    return problems


def _document(feature: Feature) -> dict[str, Any]:
    """What ``meta.json`` holds."""
    return {"format": FORMAT, **_plain(asdict(feature)), "dtype": feature.dtype}


def _plain(value: Mapping[str, Any]) -> dict[str, Any]:
    """As it comes back from JSON: tuples are lists."""
    plain: dict[str, Any] = json.loads(json.dumps(dict(value)))
    return plain


def _read_meta(path: Path) -> Feature:
    try:
        stored = reading.json_object(path)
        if stored["format"] != FORMAT:
            raise FormatError(f"{path} has format {stored['format']}, expected {FORMAT}: prepare the corpus again")
        if not isinstance(stored["description"], dict):
            raise FormatError(f"{path} cannot be read (description is no object): remove its folder and prepare again")
        names = ("name", "description", "sequence", "half", "corpus", "licence", "checked")
        return Feature(shape=tuple(stored["shape"]), **{name: stored[name] for name in names})
    except (ValueError, KeyError, TypeError) as error:
        raise FormatError(f"{path} cannot be read ({error}): remove its folder and prepare again") from error
