"""Which features a system reads, as named on the command line: ``text=mpnet,voice=table``.

A source is ``mpnet`` (the frozen sentence encoder, for every text: a prepared store where nothing was left out, else
encoded now and kept), ``table`` or the name of the table that comes with the corpus, ``prepared`` or the name of a
feature that ``merc prepare`` made at its usual place, or ``FOLDER:ENCODER``, any feature store; in FOLDER ``{fold}``,
``{seed}`` and ``{corpus}`` are replaced, so that each fold can have an encoder of its own. ``prepared`` alone stands
for text, voice and face as prepared. For text it may also be the name of a tuned encoder that comes with merc, such as
``meld-warm``, or ``meld-warm-tokens`` for the state of each token. Sources joined by ``+`` stand beside each other in
one vector; of those joined by ``~``, which binds more tightly, the mean direction is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.cache import Cache, key
from merc.conversation import Conversation
from merc.errors import FormatError, InputError
from merc.features import sound, stored, tuned_text, vocabulary
from merc.features.feature import MODALITIES, Feature
from merc.progress import Progress

TABLE_NAMES: Mapping[str, Mapping[str, str]] = {
    "meld": {"voice": "attributes6", "face": "au17"},
    "iemocap": {"voice": "egemaps47"},
    "cmu-mosi": {"text": "words100", "voice": "opensmile73", "face": "cnn100"},
}
"""What the table of a corpus is called in a choice of features, by modality; ``table`` means the same."""

FITTED = (vocabulary.NAME,)
"""Sources that are built from the training part of a fold alone."""

USUAL: Mapping[str, str] = {
    "meld": "text=mpnet,voice=attributes6,face=au17",
    "iemocap": "text=mpnet,voice=egemaps47",
    "cmu-mosi": "text=words100,voice=opensmile73,face=cnn100",
}
"""The features of a corpus that need nothing but its folder."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a corpus lies and which part of a comparison asks: what the names in a source refer to."""

    corpus: str
    root: Path
    fold: str = ""
    seed: int = 0
    training: frozenset[str] = frozenset()
    """Utterances of the fold's training part, where a feature depends on them (see ``fitted``)."""


def usual(corpus: str) -> str:
    """The usual features of a corpus; raises InputError where it has none."""
    if corpus not in USUAL:
        raise InputError(f"corpus '{corpus}' has no usual features; name them, for example --features text=mpnet")
    return USUAL[corpus]


def parse(choice: str) -> dict[str, str]:
    """``text=mpnet,voice=table`` by modality; raises InputError for anything else, and for a modality twice."""
    if choice.strip() == stored.PREPARED:
        return dict.fromkeys(stored.NAMES, stored.PREPARED)
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


def single(choice: str) -> bool:
    """Whether every source gives one vector an utterance, as tables and sentence encoders do; stores may hold more."""
    named = [part for source in parse(choice).values() for alike in parts(source) for part in alike]
    kept = {name for names in stored.NAMES.values() for name in names} - {"mpnet"} | {
        stored.PREPARED,
        sound.NAME,
        vocabulary.NAME,
    }
    return not any(":" in part or part in kept or part.endswith(tuned_text.TOKENS) for part in named)


def fitted(source: str) -> bool:
    """Whether a source depends on the training part of a fold, as a vocabulary does: it is loaded for each fold."""
    return source in FITTED


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
    reads: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> dict[str, Feature]:
    """The features of a corpus by modality.

    ``reads``: by modality how a system reads it, "vectors" where not named; for any other way, sequences where a store
    holds them. Raises InputError for a source that is not known or does not hold the corpus.
    """
    found = {}
    for modality, source in sources.items():
        asked = _Source(modality, (reads or {}).get(modality, "vectors") != "vectors", progress)
        read = [[_one(part, conversations, place, asked) for part in alike] for alike in parts(source)]
        found[modality] = tuned_text.beside([tuned_text.averaged(alike) for alike in read])
    return found


def parts(source: str) -> list[list[str]]:
    """The sources that stand beside each other, each as those whose mean is taken; ``~/`` is a home folder."""
    return [re.split(r"(?<=.)~(?!/)", part) for part in source.split("+")]


@dataclass(frozen=True, slots=True)
class _Source:
    """What is wanted of a source: which modality, sequences or vectors, who is told of the progress."""

    modality: str
    tokens: bool
    progress: Progress | None


def _one(source: str, conversations: Sequence[Conversation], place: Place, asked: _Source) -> Feature:
    modality, shipped = asked.modality, tuned_text.shipped()
    if ":" in source:
        return _stored(source, conversations, place=place, tokens=asked.tokens)
    if modality == "voice" and source == sound.NAME:
        return sound.load(conversations, progress=asked.progress)
    if modality == "text" and source == vocabulary.NAME:
        return vocabulary.load(conversations, training=place.training)
    if modality == "text" and source == "mpnet":
        return _mpnet(conversations, place=place, progress=asked.progress)
    if modality == "text" and (name := source.removesuffix(tuned_text.TOKENS)) in shipped:
        tokens = asked.tokens and name != source
        return tuned_text.encoded(shipped[name], conversations, tokens=tokens, progress=asked.progress)
    if source == stored.PREPARED or source in stored.NAMES.get(modality, ()):
        folder, name = stored.named(modality, source, corpus=place.corpus, tokens=asked.tokens)
        return _stored(f"{folder}:{name}", conversations, place=place, tokens=asked.tokens)
    return _tabled(modality, source, place)


def _tabled(modality: str, source: str, place: Place) -> Feature:
    from merc.corpora.tables import features

    names = TABLE_NAMES.get(place.corpus, {})
    if modality not in names or source not in ("table", names[modality]):
        known = [f"{one}={name}" for one, name in names.items()]
        raise InputError(
            f"features {modality}={source}: corpus '{place.corpus}' has {', '.join(known) or 'no tables'}; otherwise "
            f"text={', text='.join(('mpnet', *tuned_text.shipped()))}, {', '.join(stored.NAMES.get(modality, ()))} of "
            f"'merc prepare {place.corpus}', or a feature store as FOLDER:ENCODER"
        )
    try:
        table = features(place.corpus, place.root)[modality]
    except FormatError:
        raise
    except InputError as error:
        raise InputError(
            f"{error}: 'merc prepare {place.corpus}', then --features {stored.PREPARED}, or choose with --modalities"
        ) from error
    return Feature.of(table.ids, table.values, source=f"{names[modality]}: {table.source}", sha256=table.sha256)


def _stored(source: str, conversations: Sequence[Conversation], *, place: Place, tokens: bool) -> Feature:
    folder, _, encoder = source.rpartition(":")
    path = Path(folder.format(fold=place.fold, seed=place.seed, corpus=place.corpus)).expanduser()
    ids = [utterance.id for conversation in conversations for utterance in conversation]
    return stored.read(path, encoder, ids, corpus=place.corpus, tokens=tokens)


def _mpnet(conversations: Sequence[Conversation], *, place: Place, progress: Progress | None) -> Feature:
    """The prepared store of the corpus where no check left anything out, else the vectors made now, once."""
    from merc.features.store import Store

    folder = stored.usual_place(place.corpus)
    if (folder / "mpnet" / "meta.json").exists() and not Store.open(folder).features["mpnet"].checked:
        return _stored(f"{folder}:mpnet", conversations, place=place, tokens=False)
    said = {turn.id: turn.text for one in conversations for turn in one if turn.text and turn.text.strip()}
    return _encoded(said, progress=progress)


def _encoded(said: Mapping[str, str], *, progress: Progress | None) -> Feature:
    from merc import weights

    def make() -> dict[str, np.ndarray]:
        from merc.features.text import TextEncoder

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
