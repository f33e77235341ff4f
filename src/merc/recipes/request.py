"""A request, in names alone, and what it resolves to: protocol, conversations, features, options."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc import paths
from merc.cache import file_hash
from merc.conversation import Conversation
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Fold, Protocol
from merc.features import sound, spec
from merc.features.by_speaker import Known, per_known, per_speaker
from merc.features.feature import Feature
from merc.features.spec import FeatureSpec
from merc.options import typed
from merc.progress import Progress
from merc.recipes import with_backbone
from merc.recipes.joined import columns, lending, targets
from merc.recipes.prompting.text_model import TextModel
from merc.recipes.with_backbone import Upstream
from merc.systems import SYSTEMS, Setup
from merc.systems.plugged import module_hash
from merc.training.device import chosen_device, seeded
from merc.training.material import Material, refuse_in_sample, refuse_unreadable
from merc.training.options import TrainOptions

if TYPE_CHECKING:
    from merc.systems import System

NEUTRAL = "neutral"


@dataclass(frozen=True, slots=True)
class Request:
    """What to train: names only, so that it can be written to a file and read again.

    Args:
        system: In ``SYSTEMS``.
        protocol: In ``PROTOCOLS``.
        features: As in ``merc.features.spec``; None: the usual ones of the corpus.
        modalities: A choice among them; none: all that the system reads.
        seed: Random seed.
        options: Of the system, by name.
        training: Changes of its recipe, by name.
        weights: File of quality weights.
        data: Folder of all corpora.

    Example:
        >>> Request("cogmen", "iemocap6", training={"epochs": 30}).as_json()["training"]
        {'epochs': 30}
    """

    system: str
    protocol: str
    features: str | None = None
    modalities: tuple[str, ...] = ()
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    weights: Path | None = None
    data: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """The request as a file holds it.

        Returns:
            Its values; the folder of the data is left out, as it says nothing of the result.
        """
        values = {**asdict(self), "modalities": list(self.modalities), "weights": str(self.weights or "")}
        del values["data"]
        return dict(json.loads(json.dumps(values)))


class Prepared:
    """A request made ready: protocol, conversations and features, read once for all its folds.

    Raises UnknownName for a system, protocol or corpus that is not known, InputError for features that the corpus or
    the system does not have, and for a system or option that does not predict what the protocol measures.
    """

    def __init__(self, request: Request, conversations: Sequence[Conversation] | None = None) -> None:
        self.request = request
        self.kind = SYSTEMS[request.system]
        self.protocol: Protocol = PROTOCOLS[request.protocol]
        targets.refuse_others(request)
        self.corpus = self.protocol.corpus
        self.root = corpus_root(self.corpus, request.data)
        self.given = conversations is not None
        self.conversations = read(self.corpus, self.root) if conversations is None else tuple(conversations)
        self.options, self.system_options = merged(request)
        self.classes = self.protocol.label_set
        self.text_model = TextModel.of(self.kind, self.system_options)
        self.upstream = Upstream.of(self.kind, self.system_options)
        self.sources = self._sources()
        self.lenders = [Prepared(one) for one in lending.lenders(request)]

    def _sources(self) -> FeatureSpec:
        chosen = self.request.features or _features(self.request)
        usual = FeatureSpec({"voice": sound.NAME}) if self.upstream else None
        named = FeatureSpec.parse(chosen) if chosen else usual or FeatureSpec.usual(self.corpus)
        if self.request.modalities:
            return named.only(self.request.modalities)
        able = [name for name in named if name in self.kind.description.modalities]
        return named.only(able) if able else named

    def refuse_edited(self, data: str, *, where: Path) -> None:
        """Raise InputError where what divides the corpus is not what it was; ``data``: its hash at the training."""
        if data != self.protocol.data:
            raise InputError(
                f"{where}: {self.corpus} or what it states was changed since the training, so that its test part may "
                "hold what was trained on; restore the table, or train again into another folder"
            )

    def folds(self) -> list[Fold]:
        """The folds of the protocol; those that draw validation dialogues draw them by the request's seed."""
        return self.protocol.folds(self.conversations, seed=self.request.seed)

    def material(self, fold: Fold, *, progress: Progress | None = None) -> Material:
        """All that may be learned from in a fold: labels or targets of train and validation, and everyone's features.

        The text of an utterance and its features are no secret; test labels and targets are not in it.
        """
        return self.materials(fold, progress=progress)[0][1]

    def materials(self, fold: Fold, *, progress: Progress | None = None) -> list[tuple[Fold, Material]]:
        """The material of a fold, then that of each lender in the (first) fold of its own protocol."""
        folds = [fold, *(one.folds()[0] for one in self.lenders)]
        every = (self, *self.lenders)
        found = [(cut, one._material(cut, progress)) for one, cut in zip(every, folds, strict=True)]
        features = columns.placed([own.features for _, own in found], [one.corpus for one in every])
        return [(cut, replace(own, features=wide)) for (cut, own), wide in zip(found, features, strict=True)]

    def _material(self, fold: Fold, progress: Progress | None) -> Material:
        found = self._features(fold, progress)
        refuse_in_sample(found, fold, self.conversations, corpus=self.protocol.corpus)
        if unknown := sorted(set(self.options.per_speaker) - set(found)):
            raise InputError(f"per-speaker values of {unknown[0]}: the features have {', '.join(found)}")
        found |= self._by_speaker(found, self.conversations, fold.train.context)
        weights = spec.weights(self.request.weights) if self.request.weights else {}
        blind = tuple(fold.blinded(self.conversations))
        labels = {**fold.train.labels, **fold.valid.labels}
        targets = tuple(self.protocol.dimensions.values())
        return Material(blind, found, self.classes, labels, weights, targets, corpus=self.corpus)

    def _by_speaker(
        self, found: Mapping[str, Feature], conversations: Sequence[Conversation], training: Collection[str]
    ) -> dict[str, Feature]:
        """The features that the options standardise by speaker; ``training``: whose utterances are all known."""
        who, options = spec.speakers(conversations), self.options
        if options.speaker_known is None:
            return {name: per_speaker(found[name], who) for name in options.per_speaker}
        known = Known(options.speaker_known, options.speaker_neutral, options.speaker_prior, options.seed)
        neutral: set[str] = set()
        if known.neutral is not None:
            neutral = {turn.id for one in conversations for turn in one if self.protocol.label(turn) == NEUTRAL}
        return {n: per_known(found[n], who, known, training=training, neutral=neutral) for n in options.per_speaker}

    def strangers(self, *, progress: Progress | None = None) -> Material | None:
        """The corpora whose speakers alone are learned (``speakers_from``); None: there are none.

        Raises:
            InputError: for a corpus that the protocol divides, for corpora that name fewer than two speakers, and for a
                system that learns no speakers.
        """
        corpus = self.options.speakers_from
        if corpus is None:
            return None
        if not learns_speakers(self.kind):
            able = ", ".join(name for name, kind in SYSTEMS.items() if learns_speakers(kind))
            raise InputError(f"speakers_from: system '{self.request.system}' learns no speakers; train {able}")
        if shared := sorted(set(corpus.split("+")) & set(self.corpus.split("+"))):
            raise InputError(
                f"speakers_from: protocol '{self.protocol.name}' divides {shared[0]} itself, so that its test speakers "
                "would be heard in training; name another corpus, or leave it out to learn the training speakers"
            )
        root = corpus_root(corpus, self.request.data)
        conversations = read(corpus, root)
        place = spec.Place(corpus, root)
        found = dict(_loaded(_Wanted(tuple(self.sources.items()), place, tuple(self.reading.items()), progress)))
        refuse_unreadable(found, self.reading, self.request.system)
        found |= self._by_speaker(found, conversations, [turn.id for one in conversations for turn in one])
        return Material(conversations, found, (), {}, corpus=corpus)

    @cached_property
    def _people(self) -> int:
        """How many speakers there are to tell apart: those of ``speakers_from``, or of the protocol's corpora."""
        corpus = self.options.speakers_from
        if corpus is None:
            return max(1, len(set(spec.speakers(self.conversations).values()) - {None}))
        names = set(spec.speakers(read(corpus, corpus_root(corpus, self.request.data))).values()) - {None}
        if len(names) < 2:
            known = f"one speaker, '{names.pop()}'" if names else "no speaker"
            raise InputError(
                f"speakers_from: corpus '{corpus}' names {known}; expected two or more to tell apart: name another "
                "corpus, or leave it out to learn the speakers of the protocol's own"
            )
        return len(names)

    def _place(self, fold: Fold) -> spec.Place:
        """Where the features of a fold come from."""
        own = self.sources.by_fold
        return spec.Place(
            self.corpus,
            self.root,
            fold=fold.name if own else "",
            seed=self.request.seed if own else 0,
            training=frozenset(fold.train.scored) if self.sources.fitted else frozenset(),
        )

    def _features(self, fold: Fold, progress: Progress | None) -> dict[str, Feature]:
        place = self._place(fold)
        vectors = self.sources.only([name for name in self.sources if not (self.text_model and name == "text")])
        if self.given:
            found = vectors.load(self.conversations, place=place, reads=self.reading, progress=progress)
        else:
            found = dict(_loaded(_Wanted(tuple(vectors.items()), place, tuple(self.reading.items()), progress)))
        if self.text_model and len(vectors) < len(self.sources):
            found["text"] = self.text_model.words(self.conversations)
        if self.upstream and "voice" in found:
            device = chosen_device(self.options.device)
            heard = with_backbone.pretrained_on(self.upstream, protocol=self.protocol.name, fold=fold.name)
            states = with_backbone.voice(self.upstream, found["voice"], device=device, progress=progress)
            found["voice"] = replace(states, notes=(*states.notes, *heard))
        refuse_unreadable(found, self.reading, self.request.system)
        return {name: found[name] for name in self.sources}

    @cached_property
    def reading(self) -> dict[str, str]:
        """How the system reads each of the modalities, such as "vectors" or "steps"."""
        ways = self.kind.reading(self._settled)
        return {name: ways[name] for name in self.sources if name in ways}

    @cached_property
    def _settled(self) -> Any:
        """The options of the system, with what follows from the corpus: how many speakers, which class is sadness."""
        options = system_options(self.kind, self.system_options, labels=self.classes)
        if learns_speakers(self.kind) and "people" not in self.system_options:
            return replace(options, people=self._people)
        if getattr(options, "apart", 0) is None:
            sad = [number for number, name in enumerate(self.classes) if name.startswith("sad")]
            return replace(options, apart=sad[0] if sad else None)
        return options

    @property
    def level(self) -> str:
        """What the system reads at once: "dialogue" or "utterance"."""
        return self.kind.level(self._settled)

    def system(self, widths: Mapping[str, int]) -> System:
        """The system with its initial weights, which follow from the seed and a pretrained model that options name."""
        options = self._settled
        with seeded(self.request.seed, threads=self.options.threads):
            if self.protocol.dimensions:
                made = self.kind(widths, len(self.classes), options, dimensions=len(self.protocol.dimensions))
            else:
                made = self.kind(widths, len(self.classes), options)
            if self.upstream:
                with_backbone.adopt(made, self.upstream)
        if self.text_model:
            self.text_model.adopt(made)
        return made


def learns_speakers(kind: type[System]) -> bool:
    """Whether a system has a head that tells speakers apart."""
    return any(one.name == "people" for one in fields(kind.Options))


def corpus_root(corpus: str, data: Path | None) -> Path:
    """The folder of a corpus below the data root, or the data root of several joined by "+".

    Raises InputError when a corpus is not there.
    """
    from merc.corpora import CORPORA

    roots = [paths.corpus_root(name, CORPORA[name].folder, data) for name in corpus.split("+")]
    return roots[0] if len(roots) == 1 else paths.data_root(data)


@lru_cache(maxsize=4)
def read(corpus: str, root: Path) -> tuple[Conversation, ...]:
    """The conversations below ``corpus_root``, read once a process; raises UnknownName for an unknown corpus."""
    from merc.corpora import CONVERSATIONS, conversations_of

    names = corpus.split("+")
    return tuple(CONVERSATIONS[corpus](root) if len(names) == 1 else conversations_of(names, root))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which features of which corpus; the progress callable is not part of the key."""

    sources: tuple[tuple[str, str], ...]
    place: spec.Place
    reads: tuple[tuple[str, str], ...]
    progress: Progress | None = field(compare=False)


@lru_cache(maxsize=4)
def _loaded(wanted: _Wanted) -> dict[str, Feature]:
    """Features are loaded once for all folds and seeds that share them; those fitted on a fold once for that fold."""
    conversations = read(wanted.place.corpus, wanted.place.root)
    sources = FeatureSpec(dict(wanted.sources))
    return sources.load(conversations, place=wanted.place, reads=dict(wanted.reads), progress=wanted.progress)


def merged(request: Request) -> tuple[TrainOptions, dict[str, Any]]:
    """Training options, and the options of the system by name, of a request.

    The recipe of the system comes first, then what its description says for the protocol (a variant "NAME:VARIANT" is
    that of NAME unless it has its own), then the configuration that the request names, then what the request says.

    Raises InputError for a configuration that the system does not have, and for an option or value that is not known.
    """
    described, protocol = SYSTEMS[request.system].description, PROTOCOLS[request.protocol]
    setups = _setups(request)
    metric = "joint" if protocol.joint else protocol.metric
    usual = {"seed": request.seed, "metric": metric, **(targets.OF_CLASSES if protocol.regression else {})}
    training = TrainOptions.of_recipe(described.recipe, usual, *(one.training for one in setups), request.training)
    options = lending.fields_of(request, lambda corpus: read(corpus, corpus_root(corpus, request.data)))
    for one in setups:
        options |= one.options
    return training, options | dict(request.options)


def _features(request: Request) -> str:
    """The features that a configuration names; empty: none."""
    return next((one.features for one in reversed(_setups(request)) if one.features), "")


def _setups(request: Request) -> list[Setup]:
    """What the description of a system says for the protocol, and for the configuration that is named; later wins."""
    described = SYSTEMS[request.system].description
    found = [_under(described.by_protocol, request.protocol)]
    if config := request.training.get("config"):
        if config not in described.configurations:
            known = ", ".join(described.configurations) or "its defaults alone"
            raise InputError(f"system '{request.system}' has no configuration '{config}'; it has {known}")
        named = described.configurations[config]
        found += [named.get("", Setup()), _under(named, request.protocol)]
    return found


def _under(setups: Mapping[str, Setup], protocol: str) -> Setup:
    """The setup of a protocol; of a variant "NAME:VARIANT" that of NAME, unless it has its own."""
    return setups.get(protocol) or setups.get(protocol.split(":")[0]) or Setup()


def settled(request: Request) -> dict[str, Any]:
    """Every option of the system and of its training as it will be, defaults included, as JSON can write them.

    Raises UnknownName and InputError for unknown names and values, WeightError for a model that is not available.
    """
    kind, protocol = SYSTEMS[request.system], PROTOCOLS[request.protocol]
    training, chosen = merged(request)
    options = system_options(kind, chosen, labels=protocol.label_set)
    values: dict[str, Any] = {"system": asdict(options), "training": training.as_json()}
    if plugin := SYSTEMS.origin(request.system):
        values["plugin"] = {"package": plugin.package, "version": plugin.version, "sha256": module_hash(kind)}
    if text_model := TextModel.of(kind, chosen):
        values |= text_model.facts()
    if upstream := Upstream.of(kind, chosen):
        values["upstream"] = upstream.facts()
    if request.weights and request.weights.exists():
        values["sample_weights"] = {"file": request.weights.name, "sha256": file_hash(request.weights)}
    return dict(json.loads(json.dumps(values, default=str)))


def variant(request: Request) -> str:
    """What the options of a system make of it, for the row of its result, such as which T5 it holds; empty: nothing."""
    kind = SYSTEMS[request.system]
    return str(getattr(kind.Options(**merged(request)[1]), "variant", ""))


def system_options(kind: type[System], chosen: Mapping[str, Any], *, labels: Sequence[str]) -> Any:
    """The options of a system from values by name, for classes of these labels.

    Raises InputError for a name that it does not have, WeightError for a model that is not available.
    """
    known = [one.name for one in fields(kind.Options)]
    if "reads" in chosen and "reads" not in known:
        kind.refuse_reads()
    if strange := sorted(set(chosen) - set(known)):
        raise InputError(
            f"system '{kind.description.name}' has no option '{strange[0]}'; it has {', '.join(sorted(known))}"
        )
    chosen = typed(kind.Options, chosen, scope=kind.description.name)
    if text_model := TextModel.of(kind, chosen):
        return text_model.options(kind, chosen, labels)
    if upstream := Upstream.of(kind, chosen):
        return with_backbone.options_with_backbone(kind, chosen, upstream)
    return kind.Options(**chosen)
