"""Which features a system reads, as named on the command line: ``text=mpnet,voice=table``.

A source is ``mpnet`` (the frozen sentence encoder: a prepared store where there is one, else encoded now and kept),
``table`` or the name of the table that comes with the corpus, or ``FOLDER:ENCODER``, a feature store; in FOLDER
``{fold}``, ``{seed}`` and ``{corpus}`` are replaced, so that each fold can have an encoder of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.cache import Cache, default_root, key
from merc.conversation import Conversation
from merc.errors import InputError
from merc.training.features import MODALITIES, Feature

Progress = Callable[[str, float, float], None]

TABLE_NAMES: Mapping[str, Mapping[str, str]] = {
    "meld": {"voice": "attributes6", "face": "au17"},
    "iemocap": {"voice": "egemaps47"},
    "cmu_mosi": {"text": "words100", "voice": "opensmile73", "face": "cnn100"},
}
"""What the table of a corpus is called in a choice of features, by modality; ``table`` means the same."""

USUAL: Mapping[str, str] = {
    "meld": "text=mpnet,voice=attributes6,face=au17",
    "iemocap": "text=mpnet,voice=egemaps47",
    "cmu_mosi": "text=words100,voice=opensmile73,face=cnn100",
}
"""The features of a corpus that need nothing but its folder."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a corpus lies and which part of a comparison asks: what the names in a source refer to."""

    corpus: str
    root: Path
    fold: str = ""
    seed: int = 0


def data_root(folder: Path | None = None) -> Path:
    """The folder of all corpora: given, else ``$MERC_DATA``, else ``../shared/data``."""
    return folder or Path(os.environ.get("MERC_DATA", Path("..") / "shared" / "data"))


def usual(corpus: str) -> str:
    """The usual features of a corpus; raises InputError where it has none."""
    if corpus not in USUAL:
        raise InputError(f"corpus '{corpus}' has no usual features; name them, for example --features text=mpnet")
    return USUAL[corpus]


def parse(choice: str) -> dict[str, str]:
    """``text=mpnet,voice=table`` by modality; raises InputError for anything else, and for a modality twice."""
    sources: dict[str, str] = {}
    for part in filter(None, (one.strip() for one in choice.split(","))):
        modality, _, source = part.partition("=")
        if modality not in MODALITIES or not source or modality in sources:
            raise InputError(
                f"features '{part}': expected MODALITY=SOURCE with each of {', '.join(MODALITIES)} at most once, "
                "for example text=mpnet,voice=table"
            )
        sources[modality] = source
    if not sources:
        raise InputError("no features: expected MODALITY=SOURCE, for example text=mpnet")
    return sources


def only(sources: Mapping[str, str], modalities: Sequence[str]) -> dict[str, str]:
    """The sources of these modalities; raises InputError for a modality that the features lack."""
    if lacking := [name for name in modalities if name not in sources]:
        raise InputError(
            f"the features have no modality {', '.join(lacking)}; they have {', '.join(sources)}; "
            f"add {lacking[0]}=SOURCE to --features"
        )
    return {name: sources[name] for name in modalities}


def load(
    sources: Mapping[str, str],
    conversations: Sequence[Conversation],
    *,
    place: Place,
    tokens: bool = False,
    progress: Progress | None = None,
) -> dict[str, Feature]:
    """The features of a corpus by modality.

    ``tokens``: sequences where a store holds them, else one vector an utterance. Raises InputError for a source that
    is not known or does not hold the corpus.
    """
    found = {}
    for modality, source in sources.items():
        if ":" in source:
            found[modality] = _stored(source, conversations, place=place, tokens=tokens)
        elif modality == "text" and source == "mpnet":
            found[modality] = _mpnet(conversations, place=place, progress=progress)
        else:
            found[modality] = _tabled(modality, source, place)
    return found


def _tabled(modality: str, source: str, place: Place) -> Feature:
    from merc.corpora.tables import features

    names = TABLE_NAMES.get(place.corpus, {})
    if source not in ("table", names.get(modality)):
        known = [f"{one}={name}" for one, name in names.items()]
        raise InputError(
            f"features {modality}={source}: corpus '{place.corpus}' has {', '.join(known) or 'no tables'}; otherwise "
            "text=mpnet, or a feature store as FOLDER:ENCODER"
        )
    table = features(place.corpus, place.root)[modality]
    return Feature.of(table.ids, table.values, source=f"{names[modality]}: {table.source}", sha256=table.sha256)


def _stored(source: str, conversations: Sequence[Conversation], *, place: Place, tokens: bool) -> Feature:
    from merc.encoders.store import Store

    folder, _, encoder = source.rpartition(":")
    path = Path(folder.format(fold=place.fold, seed=place.seed, corpus=place.corpus)).expanduser()
    store = Store.open(path)
    ids = [utterance.id for conversation in conversations for utterance in conversation]
    known = set(store.ids(encoder))
    there = [name for name in ids if name in known]
    if len(there) < len(ids):
        absent = next(name for name in ids if name not in known)
        raise InputError(
            f"{path}, feature '{encoder}': {len(ids) - len(there)} of {len(ids)} utterances of {place.corpus} are not "
            f"in it, first '{absent}'; prepare the corpus to its end"
        )
    sha256 = key(store.features[encoder].description)
    if not tokens:
        return Feature.of(there, store.pooled(encoder, there), source=f"{path.name}:{encoder}", sha256=sha256)
    rows = {name: row for name, row in zip(there, store.get(encoder, there), strict=True) if row is not None}
    return Feature(f"{path.name}:{encoder}", store.features[encoder].shape[0], rows, sha256)


def _mpnet(conversations: Sequence[Conversation], *, place: Place, progress: Progress | None) -> Feature:
    """The prepared store of the corpus where it holds every utterance, else the vectors made now, once."""
    folder = default_root() / "stores" / place.corpus
    if (folder / "mpnet" / "meta.json").exists():
        return _stored(f"{folder}:mpnet", conversations, place=place, tokens=False)
    said = {turn.id: turn.text for one in conversations for turn in one if turn.text and turn.text.strip()}
    return _encoded(said, progress=progress)


def _encoded(said: Mapping[str, str], *, progress: Progress | None) -> Feature:
    from merc import weights

    def make() -> dict[str, np.ndarray]:
        from merc.encoders.text import TextEncoder

        encoder = TextEncoder(threads=1)
        return {"vectors": encoder.encode(list(said.values()), progress=progress)}

    sha256 = weights.WEIGHTS["mpnet"].sha256
    vectors = Cache().arrays(key("training text", "mpnet", sha256, list(said.items())), make)["vectors"]
    return Feature.of(list(said), vectors, source="mpnet", sha256=sha256)


def hashes(features: Mapping[str, Feature]) -> dict[str, str]:
    """The hash of each modality's source, for the record of a result."""
    return {name: feature.sha256 for name, feature in features.items()}


def speakers(conversations: Iterable[Conversation]) -> dict[str, str | None]:
    """Who says each utterance."""
    return {turn.id: turn.speaker for conversation in conversations for turn in conversation}


def weights(path: Path) -> dict[str, float]:
    """How much each utterance counts in the loss, from a parquet or CSV table with ``utterance`` and ``weight``.

    Raises InputError for a file that cannot be read or lacks the columns.
    """
    import polars as pl

    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        return {str(name): float(value) for name, value in table.select("utterance", "weight").iter_rows()}
    except (OSError, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise InputError(f"{path}: {error}; expected a table with columns utterance and weight") from error
