"""Features out of a store: where the one of a corpus lies, which feature is meant, what it holds of every utterance.

A store that ``merc prepare`` wrote to its default folder is known by the names of its features alone, or by the word
``prepared``; any other is named as ``FOLDER:ENCODER``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from merc.cache import key
from merc.corpora import CORPORA
from merc.errors import InputError
from merc.features.encoder import DEFAULT, ENCODERS, difference, names
from merc.features.feature import Feature, LazyRows
from merc.paths import store_root

if TYPE_CHECKING:
    from merc.features.store import Store

PREPARED = "prepared"
"""The source that means: what ``merc prepare`` made of this modality."""


def usual_place(corpus: str) -> Path:
    """The default folder of a corpus's store; raises InputError for a corpus without one."""
    if corpus not in CORPORA:
        raise InputError(f"corpus '{corpus}' has no default folder: give --root and --out")
    return store_root(corpus)


def named(modality: str, source: str, *, corpus: str, tokens: bool) -> tuple[Path, str]:
    """The folder and the feature that a name alone means, such as ``prepared`` or ``campplus``.

    ``prepared`` is the first encoder of the modality in the registry that the store holds; a system that reads
    sequences gets the tokens of the text where the store holds them.

    Raises InputError where the corpus was not prepared into its default folder, or without that modality.
    """
    from merc.features.store import Store

    place = usual_place(corpus)
    if not any(place.glob("*/meta.json")):
        _refuse_unprepared(modality, source, corpus, place)
    if source != PREPARED:
        return place, source
    there = Store.open(place).encoders
    known = names(modality)
    first = [name for name in known if modality == "text" and tokens and ENCODERS[name]().sequence]
    for name in (*first, *known):
        if name in there:
            return place, name
    raise InputError(
        f"features {modality}={source}: {place} holds {', '.join(there)}, none of {', '.join(known) or modality}; run "
        f"'merc prepare {corpus}' with its encoder, or leave it out with --modalities"
    )


def _refuse_unprepared(modality: str, source: str, corpus: str, place: Path) -> NoReturn:
    usual = {PREPARED}.union(*DEFAULT.values())
    command = f"merc prepare {corpus}" + ("" if source in usual else f" --encoders {source}")
    raise InputError(
        f"features {modality}={source}: corpus '{corpus}' is not prepared (no feature store at {place}); run "
        f"'{command}' first, or name another store as FOLDER:ENCODER"
    )


def read(folder: Path, encoder: str, ids: Sequence[str], *, corpus: str, tokens: bool = False) -> Feature:
    """A feature of a store for all utterances of a corpus.

    Rows of several axes, such as the layers of an encoder, are laid end to end.

    Args:
        folder: The store.
        encoder: The name of the feature.
        ids: The utterances of the corpus.
        corpus: Its name, for messages.
        tokens: Sequences ``(s, d)``, read from the shards at access, where the feature is one; else one vector per
            utterance, in memory.

    Raises:
        InputError: For an utterance that was never prepared, for a value that is not finite (of a sequence: when it is
            read), and where no utterance has a vector.
    """
    from merc.features.store import Store

    store = Store.open(folder)
    counts = store.counts(encoder)
    if absent := [name for name in ids if name not in counts]:
        raise InputError(
            f"{folder}, feature '{encoder}': {len(absent)} of {len(ids)} utterances of {corpus} are not in it, first "
            f"'{absent[0]}'; prepare the corpus to its end"
        )
    present = [name for name in ids if counts[name]]
    if not present:
        _refuse_none(store, encoder, ids, corpus)
    made = store.features[encoder]
    rows: Mapping[str, np.ndarray]
    if tokens and made.sequence:
        rows = StoredRows(store, encoder, {name: counts[name] for name in present})
    else:
        rows = dict(zip(present, _checked(store, encoder, present), strict=True))
    return Feature(
        f"{folder.name}:{encoder}",
        int(np.prod(made.shape)),
        rows,
        store.fingerprint(encoder),
        encoder=made.description,
    )


class StoredRows(LazyRows):
    """Sequences of a store by utterance, ``(s, d)`` float32 each, read from their shard at access."""

    def __init__(self, store: Store, encoder: str, counts: Mapping[str, int]) -> None:
        self.store, self.encoder, self.counts = store, encoder, counts

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self.counts:
            raise KeyError(name)
        row = self.store.rows(self.encoder, name)
        if not np.isfinite(row).all():
            _refuse_infinite(self.store, self.encoder, name)
        return row.reshape(len(row), -1)

    def __iter__(self) -> Iterator[str]:
        return iter(self.counts)

    def __len__(self) -> int:
        return len(self.counts)

    def steps(self, name: str) -> int:
        """Rows of an utterance, 0 where it has none."""
        return self.counts.get(name, 0)


class JoinedRows(LazyRows):
    """The sequences of several corpora, of which no two share an utterance."""

    def __init__(self, parts: Sequence[LazyRows]) -> None:
        self.owner = {name: part for part in parts for name in part}

    def __getitem__(self, name: str) -> np.ndarray:
        return self.owner[name][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.owner)

    def __len__(self) -> int:
        return len(self.owner)

    def steps(self, name: str) -> int:
        """Rows of an utterance, 0 where it has none."""
        return self.owner[name].steps(name) if name in self.owner else 0


def joined(parts: Sequence[Feature]) -> Feature:
    """One feature of several corpora out of that of each; raises InputError where their encoders differ."""
    first, *others = parts
    for one in others:
        if unlike := difference(one.encoder, first.encoder):
            raise InputError(
                f"features '{one.source}' and '{first.source}' were made otherwise ({unlike}); prepare again"
            )
    if not others:
        return first
    source, sha256 = "+".join(one.source for one in parts), key([one.sha256 for one in parts])
    return replace(first, source=source, rows=_rows_of([one.rows for one in parts]), sha256=sha256)


def _rows_of(parts: Sequence[Mapping[str, np.ndarray]]) -> Mapping[str, np.ndarray]:
    lazy = [rows for rows in parts if isinstance(rows, LazyRows)]
    return JoinedRows(lazy) if lazy else {name: row for rows in parts for name, row in rows.items()}


def _checked(store: Store, encoder: str, ids: Sequence[str]) -> list[np.ndarray]:
    """One vector ``(d,)`` each of utterances that have one."""
    pooled = store.pooled(encoder, ids).reshape(len(ids), -1)
    for name, row in zip(ids, pooled, strict=True):
        if not np.isfinite(row).all():
            _refuse_infinite(store, encoder, name)
    return list(pooled)


def _refuse_infinite(store: Store, encoder: str, name: str) -> NoReturn:
    raise InputError(
        f"{store.folder}, feature '{encoder}': the values of utterance '{name}' hold NaN or infinity; look "
        f"with 'merc store verify {store.folder}' and prepare the corpus again"
    )


def _refuse_none(store: Store, encoder: str, ids: Sequence[str], corpus: str) -> NoReturn:
    reasons = store.reasons(encoder)
    ((reason, count),) = Counter(reasons[name] for name in ids).most_common(1)
    raise InputError(
        f"{store.folder}, feature '{encoder}': none of {len(ids)} utterances of {corpus} has a vector ({count} times: "
        f"{reason}); add the recordings and run 'merc prepare' with --retry, or leave it out with --modalities"
    )
