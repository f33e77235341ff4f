"""Features out of a store: where the one of a corpus lies, which feature is meant, what it holds of every utterance.

A store that ``merc prepare`` wrote to its usual place is known by the names of its features alone, or by the word
``prepared``; any other is named as ``FOLDER:ENCODER``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import numpy as np

from merc.cache import key
from merc.corpora import CORPORA
from merc.errors import InputError
from merc.features.feature import Feature
from merc.paths import store_root

if TYPE_CHECKING:
    from merc.features.store import Store

PREPARED = "prepared"
"""The source that means: what ``merc prepare`` made of this modality."""

NAMES: Mapping[str, tuple[str, ...]] = {
    "text": ("mpnet", "mpnet-tokens"),
    "voice": ("campplus", "egemaps", "whisper-base", "whisper-base-frames"),
    "face": ("facenet", "facenet-expression"),
}
"""What ``merc prepare`` makes, by modality; the first that a store holds is meant by ``prepared``, except that a system
which reads sequences gets the tokens of the text where they were kept."""


def usual_place(corpus: str) -> Path:
    """Where the store of a corpus lies unless told otherwise; raises InputError for a corpus without a usual place."""
    if corpus not in CORPORA:
        raise InputError(f"corpus '{corpus}' has no usual place: give --root and --out")
    return store_root(corpus)


def named(modality: str, source: str, *, corpus: str, tokens: bool) -> tuple[Path, str]:
    """The folder and the feature that a name alone stands for, such as ``prepared`` or ``campplus``.

    Raises InputError where the corpus was not prepared to its usual place, or without that modality.
    """
    from merc.features.store import Store

    place = usual_place(corpus)
    if not any(place.glob("*/meta.json")):
        raise InputError(
            f"features {modality}={source}: corpus '{corpus}' is not prepared (no feature store at {place}); run 'merc "
            f"prepare {corpus}' first, or name another store as FOLDER:ENCODER"
        )
    if source != PREPARED:
        return place, source
    there = Store.open(place).encoders
    known = NAMES.get(modality, ())
    order = reversed(known) if modality == "text" and tokens else known
    for name in order:
        if name in there:
            return place, name
    raise InputError(
        f"features {modality}={source}: {place} holds {', '.join(there)}, none of {', '.join(known) or modality}; run "
        f"'merc prepare {corpus}' with its encoder, or leave it out with --modalities"
    )


def read(folder: Path, encoder: str, ids: Sequence[str], *, corpus: str, tokens: bool = False) -> Feature:
    """A feature of a store for all utterances of a corpus, one vector each or, for ``tokens``, sequences ``(s, d)``.

    A feature that is no sequence has one vector in any case. Rows of several axes, such as the layers of an encoder,
    are laid end to end. Raises InputError for an utterance that was never prepared, for a value that is not finite, and
    where no utterance has a vector.
    """
    from merc.features.store import Store

    store = Store.open(folder)
    known = set(store.ids(encoder))
    if absent := [name for name in ids if name not in known]:
        raise InputError(
            f"{folder}, feature '{encoder}': {len(absent)} of {len(ids)} utterances of {corpus} are not in it, first "
            f"'{absent[0]}'; prepare the corpus to its end"
        )
    made = store.features[encoder]
    rows = dict(_rows(store, encoder, ids, tokens=tokens and made.sequence))
    if not rows:
        _refuse_none(store, encoder, ids, corpus)
    return Feature(
        f"{folder.name}:{encoder}", int(np.prod(made.shape)), rows, key(made.description), encoder=made.description
    )


def _rows(store: Store, encoder: str, ids: Sequence[str], *, tokens: bool) -> Iterator[tuple[str, np.ndarray]]:
    """The utterances that have values: ``(s, d)`` each for tokens, else ``(d,)``."""
    missing = store.reasons(encoder)
    there = [name for name in ids if name not in missing]
    values = store.get(encoder, there) if tokens else store.pooled(encoder, there)
    for name, row in zip(there, values, strict=True):
        if row is None or not np.isfinite(row).all():
            raise InputError(
                f"{store.folder}, feature '{encoder}': the values of utterance '{name}' hold NaN or infinity; look "
                f"with 'merc store verify {store.folder}' and prepare the corpus again"
            )
        yield name, row.reshape(len(row), -1) if tokens else row.reshape(-1)


def _refuse_none(store: Store, encoder: str, ids: Sequence[str], corpus: str) -> NoReturn:
    reasons = store.reasons(encoder)
    ((reason, count),) = Counter(reasons[name] for name in ids).most_common(1)
    raise InputError(
        f"{store.folder}, feature '{encoder}': none of {len(ids)} utterances of {corpus} has a vector ({count} times: "
        f"{reason}); add the recordings and run 'merc prepare' with --retry, or leave it out with --modalities"
    )
