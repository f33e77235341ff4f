"""The grammar of ``--features``: which source each modality of a system is read from, as ``text=mpnet,voice=table``.

A source is one of

- the name of an encoder (``merc prepare --list``): texts and the items of one-modality corpora are encoded now and
  cached; sound and faces of conversations come from the store that ``merc prepare`` made. ``text=mpnet`` takes a
  prepared store where nothing was left out of it;
- ``prepared``: what ``merc prepare`` made of this modality; alone, ``prepared`` stands for text, voice and face;
- ``FOLDER:ENCODER``: any feature store, FOLDER may be an address (``s3://features/meld:mpnet``), whose files are kept
  here; in it ``{fold}``, ``{seed}`` and ``{corpus}`` are replaced, so that each fold can have an encoder of its own;
- a file of one's own: ``mine.npz``, ``.parquet``, ``.csv`` or ``.h5``, keyed by utterance, see ``merc.features.own``;
- ``table`` or the name of the table that comes with the corpus;
- ``voice=sound``: raw samples; ``text=words``: word numbers of a vocabulary built from the fold's training part.

Sources joined by ``+`` are concatenated; of those joined by ``~``, which binds more tightly, the mean direction is
taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import Cache, key
from merc.conversation import Conversation
from merc.corpora import CORPORA, Item, manifest
from merc.errors import FormatError, InputError, require
from merc.features import encoder, of_items, own, sound, stored, tuned_text, vocabulary
from merc.features.encoder import ENCODERS, MODALITIES
from merc.features.feature import Feature
from merc.progress import Progress
from merc.storage.remote import local_path, populate

TABLE_NAMES: Mapping[str, Mapping[str, str]] = {
    "meld": {"voice": "attributes6", "face": "au17"},
    "iemocap": {"voice": "egemaps47"},
    "cmu-mosi": {"text": "words100", "voice": "opensmile73", "face": "cnn100"},
}
"""Name of the table of a corpus as a source of features, by modality; ``table`` means the same."""

FITTED = (vocabulary.NAME,)
"""Sources that are built from the training part of a fold alone."""

USUAL: Mapping[str, str] = {
    "meld": "text=mpnet,voice=attributes6,face=au17",
    "iemocap": "text=mpnet,voice=egemaps47",
    "cmu-mosi": "text=words100,voice=opensmile73,face=cnn100",
    "emorynlp": "text=mpnet",
}
"""The features of a corpus that need nothing but its folder."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a corpus lies, and for which fold and seed features are loaded: what the names in a source refer to."""

    corpus: str
    root: Path
    fold: str = ""
    seed: int = 0
    training: frozenset[str] = frozenset()
    """Utterances of the fold's training part, where a feature depends on them (see ``fitted``)."""


@dataclass(frozen=True)
class FeatureSpec(Mapping[str, str]):
    """The source of each modality: a mapping that can be parsed, written and loaded.

    Example:
        >>> chosen = FeatureSpec.parse("text=mpnet+meld-warm, voice=prepared")
        >>> chosen["voice"], str(chosen), chosen.single
        ('prepared', 'text=mpnet+meld-warm,voice=prepared', False)
    """

    sources: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> FeatureSpec:
        """Read the value of ``--features``.

        Raises:
            InputError: it does not follow the grammar, or names a modality twice or none.
        """
        if text.strip() == stored.PREPARED:
            return cls(dict.fromkeys(encoder.DEFAULT, stored.PREPARED))
        sources: dict[str, str] = {}
        for part in filter(None, (one.strip() for one in text.split(","))):
            modality, _, source = part.partition("=")
            if modality not in MODALITIES or not source or modality in sources:
                raise InputError(
                    f"features '{part}': expected MODALITY=SOURCE with each of {', '.join(MODALITIES)} at most once, "
                    "for example text=mpnet,voice=table"
                )
            sources[modality] = source
        if not sources:
            raise InputError("no features: expected MODALITY=SOURCE, for example text=mpnet")
        return cls(sources)

    @classmethod
    def usual(cls, corpus: str) -> FeatureSpec:
        """The default features of a corpus, or of several of one modality joined by "+".

        Raises:
            InputError: the corpus has none.
        """
        if corpus in USUAL:
            return cls.parse(USUAL[corpus])
        if corpus.startswith(f"{manifest.NAME}:"):
            return cls({"text": "mpnet"}) if manifest.has_text(CORPORA[corpus]) else cls.parse(stored.PREPARED)
        kinds = {CORPORA[name].modality for name in corpus.split("+") if name in CORPORA}
        if len(kinds) == 1 and (kind := kinds.pop()) in of_items.DEFAULT:
            return cls({kind: of_items.DEFAULT[kind]})
        raise InputError(f"corpus '{corpus}' has no default features; name them, for example --features text=mpnet")

    def __getitem__(self, modality: str) -> str:
        return self.sources[modality]

    def __iter__(self) -> Iterator[str]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    def __str__(self) -> str:
        return ",".join(f"{modality}={source}" for modality, source in self.sources.items())

    def only(self, modalities: Sequence[str]) -> FeatureSpec:
        """The sources of some modalities; raises InputError for one that has no source."""
        if lacking := [name for name in modalities if name not in self.sources]:
            raise InputError(
                f"the features have no modality {', '.join(lacking)}; they have {', '.join(self.sources)}; "
                f"add {lacking[0]}=SOURCE to --features"
            )
        return FeatureSpec({name: self.sources[name] for name in modalities})

    @property
    def single(self) -> bool:
        """Whether every source gives one vector per utterance, as tables and sentence encoders do, unlike stores."""
        return all(_single(part) for source in self.values() for alike in parts(source) for part in alike)

    @property
    def fitted(self) -> bool:
        """Whether a source depends on the training part of a fold, as a vocabulary does: it is loaded for each fold."""
        return any(source in FITTED for source in self.values())

    @property
    def by_fold(self) -> bool:
        """Whether a source names a store of each fold or seed."""
        return any("{" in source for source in self.values())

    def load(
        self,
        conversations: Sequence[Conversation],
        *,
        place: Place,
        reads: Mapping[str, str] | None = None,
        device: str = "cpu",
        progress: Progress | None = None,
    ) -> dict[str, Feature]:
        """The features of a corpus by modality.

        Args:
            conversations: The corpus.
            place: Where it lies, and the fold and seed.
            reads: By modality how a system reads it, "vectors" where not named; for any other way, sequences where a
                store holds them.
            device: Where encoders run that are needed now; see `merc.nn.device.resolve`.
            progress: Called with a stage, what is done of it and how much there is.

        Raises:
            InputError: a source is unknown or does not hold the corpus.
        """
        found = {}
        for modality, source in self.items():
            wanted = _Wanted(modality, (reads or {}).get(modality, "vectors") != "vectors", device, progress)
            read = [[_one(part, conversations, place, wanted) for part in alike] for alike in parts(source)]
            found[modality] = tuned_text.beside([tuned_text.averaged(alike) for alike in read])
        return found


def parts(source: str) -> list[list[str]]:
    """The sources that are concatenated, each as those whose mean direction is taken; ``~/`` is a home folder."""
    return [re.split(r"(?<=.)~(?!/)", part) for part in source.split("+")]


def _single(part: str) -> bool:
    if ":" in part or own.is_file(part) or part in (stored.PREPARED, sound.NAME, vocabulary.NAME):
        return False
    return part not in ENCODERS or (ENCODERS[part]().input in ("text", "dialogue") and not ENCODERS[part]().sequence)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is wanted of a source: which modality, whether sequences, and where encoders run."""

    modality: str
    tokens: bool
    device: str
    progress: Progress | None


def _one(source: str, conversations: Sequence[Conversation], place: Place, wanted: _Wanted) -> Feature:
    """A feature by the first rule that knows its source."""
    modality = wanted.modality
    if own.is_file(source):
        return own.load(_filled(source, place), _ids(conversations), corpus=place.corpus)
    if ":" in source:
        return _stored(source, conversations, place=place, tokens=wanted.tokens)
    if modality == "voice" and source == sound.NAME:
        return sound.load(conversations, progress=wanted.progress)
    if modality == "text" and source == vocabulary.NAME:
        return vocabulary.load(conversations, training=place.training)
    if encoder.OF_RUNS.get(source) == modality:
        return _prepared(source, conversations, place, wanted)
    if source == stored.PREPARED or (source in ENCODERS and ENCODERS[source]().modality == modality):
        return _encoded(source, conversations, place, wanted)
    return _tabled(modality, source, place)


def _encoded(source: str, conversations: Sequence[Conversation], place: Place, wanted: _Wanted) -> Feature:
    """What an encoder makes of a corpus: out of the prepared store, or now where that needs nothing prepared."""
    if source != stored.PREPARED:
        one = ENCODERS[source](device=wanted.device)
        if one.input == "dialogue":
            return _dialogues(source, conversations, wanted)
        if one.input == "text" and not one.sequence and not _complete(place.corpus, source):
            return _texts(one, conversations, progress=wanted.progress)
        if one.input in ("sound", "face") and of_items.fits(one) and (items := _items(conversations)):
            return _of_items(one, items, progress=wanted.progress)
    return _prepared(source, conversations, place, wanted)


def _prepared(source: str, conversations: Sequence[Conversation], place: Place, wanted: _Wanted) -> Feature:
    """A feature out of the default store of the corpus, or of each of several joined by "+"."""
    corpora, found = place.corpus.split("+"), []
    for corpus in corpora:
        folder, name = stored.named(wanted.modality, source, corpus=corpus, tokens=wanted.tokens)
        own = conversations if len(corpora) == 1 else [one for one in conversations if one.meta["corpus"] == corpus]
        found.append(_stored(f"{folder}:{name}", own, place=replace(place, corpus=corpus), tokens=wanted.tokens))
    return stored.joined(found)


def _dialogues(source: str, conversations: Sequence[Conversation], wanted: _Wanted) -> Feature:
    """Vectors or tokens of a fine-tuned encoder, encoded now and cached."""
    name = source.removesuffix(tuned_text.TOKENS)
    return tuned_text.encoded(
        tuned_text.shipped()[name],
        conversations,
        tokens=wanted.tokens and name != source,
        device=wanted.device,
        progress=wanted.progress,
    )


def _tabled(modality: str, source: str, place: Place) -> Feature:
    from merc.corpora.tables import features

    names = TABLE_NAMES.get(place.corpus, {})
    if modality not in names or source not in ("table", names[modality]):
        known = [f"{one}={name}" for one, name in names.items()]
        raise InputError(
            f"features {modality}={source}: corpus '{place.corpus}' has {', '.join(known) or 'no tables'}; else "
            f"an encoder ({', '.join(encoder.names(modality)) or 'none for this modality'}), {stored.PREPARED}, a "
            "feature store as FOLDER:ENCODER, or a file such as mine.npz"
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
    folder, _, name = source.rpartition(":")
    path = local_path(_filled(folder, place)).expanduser()
    populate(path)
    return stored.read(path, name, _ids(conversations), corpus=place.corpus, tokens=tokens)


def _filled(path: str, place: Place) -> str:
    return path.format(fold=place.fold, seed=place.seed, corpus=place.corpus)


def _ids(conversations: Sequence[Conversation]) -> list[str]:
    return [utterance.id for conversation in conversations for utterance in conversation]


def _complete(corpus: str, name: str) -> bool:
    """Whether the corpus's prepared store holds a feature from which no check left anything out."""
    from merc.features.store import Store

    if corpus not in CORPORA:
        return False
    folder = stored.usual_place(corpus)
    return (folder / name / "meta.json").exists() and not Store.open(folder).features[name].checked


def _texts(one: encoder.Encoder, conversations: Sequence[Conversation], *, progress: Progress | None) -> Feature:
    """Vectors of all texts, encoded now and cached."""
    words = {turn.id: turn.text for dialogue in conversations for turn in dialogue if turn.text and turn.text.strip()}
    described = one.describe()

    def make() -> dict[str, np.ndarray]:
        return {"vectors": np.asarray(one.encode(list(words.values()), progress=progress))}

    name = key("training text", one.name, described["sha256"], list(words.items()))
    vectors = Cache().arrays(name, make)["vectors"].reshape(len(words), -1)
    made = Feature.of(list(words), vectors, source=one.name, sha256=_content(described, list(words.items())))
    return replace(made, encoder=described)


def _items(conversations: Sequence[Conversation]) -> dict[str, Item]:
    """The items of one-modality corpora by utterance; empty where any utterance is not an item with a file."""
    found = {turn.id: turn.meta.get("item") for one in conversations for turn in one}
    items = {name: one for name, one in found.items() if isinstance(one, Item) and one.source is not None}
    return items if len(items) == len(found) else {}


def _of_items(one: encoder.Encoder, items: Mapping[str, Item], *, progress: Progress | None) -> Feature:
    """Vectors of the sounds or pictures of items, encoded now and cached."""
    reader = of_items.OfItems(one)
    homes = [list(own) for _, own in groupby(items, key=lambda name: name.partition("/")[0])]
    vectors = np.concatenate(  # corpora that are joined share the cached shards of each
        [of_items.features([items[name] for name in home], reader, progress=progress) for home in homes]
    )
    described = reader.description
    made = Feature.of(list(items), vectors, source=one.name, sha256=_content(described, list(items)))
    return replace(made, encoder=described)


def _content(described: Mapping[str, Any], items: Sequence[Any]) -> str:
    """The hash of features by what they were made of and with; the precision of a processor makes no other encoder."""
    return key({name: value for name, value in described.items() if name != "precision"}, items)


def hashes(features: Mapping[str, Feature]) -> dict[str, str]:
    """The hash of each modality's source, for the record of a result."""
    return {name: feature.sha256 for name, feature in features.items()}


def speakers(conversations: Iterable[Conversation]) -> dict[str, str | None]:
    """Who says each utterance."""
    return {turn.id: turn.speaker for conversation in conversations for turn in conversation}


def weights(path: Path) -> dict[str, float]:
    """How much each utterance counts in the loss.

    Args:
        path: Parquet or CSV with ``utterance`` and ``weight``; or of ``merc check`` ``verified.parquet`` (0 for what it
            removes, else 1), or ``scores.parquet`` (the mean score of the modalities).

    Raises:
        InputError: A file that cannot be read or has none of these columns.
    """
    require("polars", extra="corpora", what=f"weights of utterances in {path} need {{}}")
    import polars as pl

    try:
        table = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_csv(path)
        if "verdict" in table.columns:
            table = table.with_columns((pl.col("verdict") != "remove").cast(pl.Float64).alias("weight"))
        elif "score" in table.columns:
            table = table.group_by("utterance", maintain_order=True).agg(pl.col("score").mean().alias("weight"))
        return {str(name): float(value) for name, value in table.select("utterance", "weight").iter_rows()}
    except (OSError, pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise InputError(
            f"{path}: {error}; expected a table with columns utterance and weight, or one of merc check"
        ) from error
