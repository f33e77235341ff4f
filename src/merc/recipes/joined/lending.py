"""The corpora that lend their labels to the training of a system which writes universal labels (``labels_from``)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

from merc.conversation import Conversation
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Protocol, default_protocol
from merc.features.encoder import ENCODERS
from merc.features.spec import FeatureSpec
from merc.features.stored import PREPARED
from merc.labels import EKMAN7, IEMOCAP6
from merc.systems import SYSTEMS, System
from merc.systems.universal import CLASS, VALUES, field_of

if TYPE_CHECKING:
    from merc.recipes.request import Request

SENTIMENT = "cmu-mosi"
"""The corpus whose sentiment is a score from -3 to 3; that of MELD is polarity alone."""


def writes(kind: type[System]) -> bool:
    """Whether a system writes universal labels."""
    return any(one.name == "fields" for one in fields(kind.Options))


def lenders(request: Request) -> list[Request]:
    """The requests of the corpora that ``labels_from`` names, each under its own protocol with features like these.

    An encoder is used for all corpora; of what is a table, each corpus has its own.

    Raises:
        InputError: A system that writes no universal labels, or the corpus that the protocol divides itself.
        UnknownName: A corpus without a protocol.
    """
    training = {name: value for name, value in request.training.items() if name not in ("labels_from", "metric")}
    found = []
    for corpus in _named(request):
        protocol, sources = default_protocol(corpus).name, _sources(request, corpus)
        modalities = tuple(name for name in request.modalities if name in sources)
        alike = replace(request, features=str(sources), modalities=modalities, training=training)
        found.append(replace(alike, protocol=protocol, weights=None))
    return found


def _sources(request: Request, corpus: str) -> FeatureSpec:
    """The features of a lender, of the modalities that the request names."""
    usual = FeatureSpec.usual(corpus)
    if not request.features:
        return usual
    own = FeatureSpec.parse(request.features)
    same = {name: source for name, source in own.items() if source == PREPARED or source in ENCODERS}
    return FeatureSpec({name: source for name, source in {**usual, **same}.items() if name in own})


def _named(request: Request) -> Iterator[str]:
    corpora, protocol, kind = request.training.get("labels_from"), PROTOCOLS[request.protocol], SYSTEMS[request.system]
    if not corpora:
        return
    if not writes(kind):
        able = ", ".join(name for name, one in SYSTEMS.items() if writes(one))
        raise InputError(f"labels_from: system '{request.system}' writes no universal labels; train {able}")
    for corpus in corpora.split("+"):
        if corpus in protocol.corpora:
            raise InputError(
                f"labels_from: protocol '{protocol.name}' divides {corpus} itself, so that its test labels would be "
                "learned; name other corpora"
            )
        yield corpus


def fields_of(request: Request, read: Callable[[str], Sequence[Conversation]]) -> dict[str, Any]:
    """The options ``labels`` and ``fields`` of a system that writes universal labels; none of one that does not.

    Args:
        request: Its training.
        read: The conversations of a corpus; whether CMU-MOSI has scores depends on the copy.

    Raises:
        InputError: Classes of no universal label in a training over several corpora.
    """
    if not writes(SYSTEMS[request.system]):
        return {}
    own, others = PROTOCOLS[request.protocol], [PROTOCOLS[one.protocol] for one in lenders(request)]
    known = _by_field([own, *others])
    if CLASS in known:
        _refuse_lending(known[CLASS], others)
        return {"labels": own.label_set}
    lent = SENTIMENT in {one.corpus for one in others} and _scored(read(SENTIMENT))
    wanted = {"polarity", *known, "score" if own.dimensions or lent else "polarity"}
    return {"labels": own.label_set, "fields": tuple(name for name in VALUES if name in wanted)}


def _by_field(protocols: Sequence[Protocol]) -> dict[str, Protocol]:
    """The protocols that have classes, by the field whose values those are."""
    return {field_of(one.label_set): one for one in protocols if one.label_set}


def _refuse_lending(strange: Protocol, others: Sequence[Protocol]) -> None:
    if others:
        raise InputError(
            f"labels_from: the classes of '{strange.name}' ({', '.join(strange.label_set)}) are in no universal label; "
            f"it has sentiment, {', '.join(EKMAN7)} and {', '.join(IEMOCAP6)}"
        )


def _scored(conversations: Sequence[Conversation]) -> bool:
    return any("sentiment" in turn.scores for one in conversations for turn in one)
