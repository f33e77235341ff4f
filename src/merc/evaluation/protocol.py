"""Protocols: the only way to a figure. Named divisions of corpora, each with its classes or dimensions and its metric.

``PROTOCOLS["meld-7"].folds(conversations)`` gives folds of train, validation and a sealed test. A name with a colon is
a variant, the same corpus and label set under another rule; figures of different protocols are not comparable. The
first protocol of a corpus is its default. ``PROTOCOLS["manifest:FILE"]`` is what a manifest states.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.corpora import CORPORA, GROUP, manifest
from merc.corpora.statement import Division
from merc.errors import InputError, ProtocolError, UnknownName
from merc.evaluation import item_splits, splits
from merc.evaluation.classes import iemocap4, iemocap4_excited, iemocap6, iemocap6_majority
from merc.evaluation.division import ALL_APART, TEST_APART, TRAIN_APART, Protocol, ProtocolWarning
from merc.evaluation.item_protocols import ITEM_PROTOCOLS, MOSEI_PROTOCOLS
from merc.evaluation.parts import Fold, Ledger, Opening, Part, Sealed, SharedTexts
from merc.evaluation.selection import Best, Epoch, NotAResult, TestTrace, select
from merc.labels import DAILYDIALOG7, EKMAN7, EMORYNLP7, IEMOCAP4, IEMOCAP4_EXCITED, IEMOCAP6, M3ED7, SENTIMENT2
from merc.plugins import Plugins
from merc.registry import Registry

__all__ = [
    "PROTOCOLS",
    "Best",
    "Epoch",
    "Fold",
    "Ledger",
    "NotAResult",
    "Opening",
    "Part",
    "Protocol",
    "ProtocolError",
    "ProtocolWarning",
    "Sealed",
    "SharedTexts",
    "TestTrace",
    "default_protocol",
    "select",
]

_IEMOCAP4 = "5,531 turns: angry, happy (with excited), neutral, sad"
_DIMENSIONS = MappingProxyType({"valence": "val", "activation": "act", "dominance": "dom"})


def _valence_across(learned: str, tested: str, description: str) -> Protocol:
    """The order of valence in one corpus, learned from the ratings or sentiment of another."""
    return Protocol(
        name=f"valence-cross:{tested}",
        corpus=f"{learned}+{tested}",
        label_set=(),
        metric="kendall_tau",
        description=f"order of valence (of sentiment in MELD); {description}",
        rule=splits.across(learned, tested),
        dimensions=MappingProxyType({"valence": "val|sentiment"}),
        speakers_apart=TEST_APART,
    )


_KNOWN = (
    Protocol(
        name="meld-7",
        corpus="meld",
        label_set=EKMAN7,
        metric="weighted_f1",
        description="MELD, official train 9,989, dev 1,109 (validates), test 2,610; parts share speakers and episodes",
        rule=splits.official,
    ),
    Protocol(
        name="meld-sentiment",
        corpus="meld",
        label_set=(),
        metric="kendall_tau",
        description="MELD, the order of sentiment (negative, neutral, positive); divided as meld-7",
        rule=splits.official,
        dimensions=MappingProxyType({"sentiment": "sentiment"}),
    ),
    Protocol(
        name="iemocap6",
        corpus="iemocap",
        label_set=IEMOCAP6,
        metric="weighted_f1",
        description="IEMOCAP, 7,433 turns in six classes; session 5 is the test, the 12 dialogues of COSMIC validate",
        rule=splits.session_five,
        label=iemocap6,
        variants=("iemocap6:drawn", "iemocap6:majority"),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap6:drawn",
        corpus="iemocap",
        label_set=IEMOCAP6,
        metric="weighted_f1",
        description="IEMOCAP, 7,433 turns in six classes; session 5 is the test, a tenth of the other dialogues, drawn "
        "by the seed, validate",
        rule=splits.session_five_drawn,
        label=iemocap6,
        variants=("iemocap6", "iemocap6:majority"),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap6:majority",
        corpus="iemocap",
        label_set=IEMOCAP6,
        metric="weighted_f1",
        description="IEMOCAP, the 7,380 turns of six classes on which the raters agreed, divided as iemocap6",
        rule=splits.session_five,
        label=iemocap6_majority,
        variants=("iemocap6", "iemocap6:drawn"),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap-dimensions",
        corpus="iemocap",
        label_set=(),
        metric="ccc",
        description="IEMOCAP, 10,039 turns rated from 1 to 5; one session of five is the test, an eighth of the other "
        "dialogues validates",
        rule=splits.sessions,
        dimensions=_DIMENSIONS,
        variants=("iemocap-dimensions:speaker",),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap-dimensions:speaker",
        corpus="iemocap",
        label_set=(),
        metric="ccc",
        description="IEMOCAP, 10,039 turns rated from 1 to 5; one speaker of ten is the test, the partner of that "
        "session validates",
        rule=splits.speakers,
        dimensions=_DIMENSIONS,
        variants=("iemocap-dimensions",),
        dialogues_apart=TRAIN_APART,
        speakers_apart=ALL_APART,
    ),
    Protocol(
        name="iemocap-ranks",
        corpus="iemocap",
        label_set=(),
        metric="kendall_tau",
        description="IEMOCAP, the order of 10,039 turns rated from 1 to 5; divided as iemocap-dimensions:speaker",
        rule=splits.speakers,
        dimensions=_DIMENSIONS,
        dialogues_apart=TRAIN_APART,
        speakers_apart=ALL_APART,
    ),
    Protocol(
        name="iemocap4-dimensions",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="unweighted_recall",
        description=f"IEMOCAP, {_IEMOCAP4}, and 10,039 turns rated from 1 to 5; divided as iemocap4-speaker and "
        "iemocap-dimensions:speaker, so that learning both at once can be compared with either",
        rule=splits.speakers,
        label=iemocap4,
        dimensions=_DIMENSIONS,
        dialogues_apart=TRAIN_APART,
        speakers_apart=ALL_APART,
    ),
    Protocol(
        name="iemocap4-session",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; one session of five is the test, an eighth of the other dialogues validate",
        rule=splits.sessions,
        label=iemocap4,
        variants=("iemocap4-session:drawn-once",),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap4-session:drawn-once",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; divided as iemocap4-session with seed 0, whatever the seed of the training",
        rule=splits.sessions_drawn_once,
        label=iemocap4,
        variants=("iemocap4-session",),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap4-speaker",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; one speaker of ten is the test, the partner of that session validates",
        rule=splits.speakers,
        label=iemocap4,
        variants=("iemocap4-speaker:partner-excluded",),
        dialogues_apart=TRAIN_APART,
        speakers_apart=ALL_APART,
    ),
    Protocol(
        name="iemocap4-speaker:partner-excluded",
        corpus="iemocap",
        label_set=IEMOCAP4,
        metric="accuracy",
        description=f"IEMOCAP, {_IEMOCAP4}; one speaker of ten is the test, the partner is left out, an eighth of the "
        "other sessions' dialogues validate",
        rule=splits.speakers_apart,
        label=iemocap4,
        variants=("iemocap4-speaker",),
        speakers_apart=TEST_APART,
    ),
    Protocol(
        name="iemocap4-excited",
        corpus="iemocap",
        label_set=IEMOCAP4_EXCITED,
        metric="accuracy",
        description="IEMOCAP, 4,936 turns: angry, excited, neutral, sad; divided as iemocap6",
        rule=splits.session_five,
        label=iemocap4_excited,
        speakers_apart=TEST_APART,
    ),
    _valence_across("iemocap", "meld", "sessions 1 to 4 of IEMOCAP train, session 5 validates; test of MELD"),
    _valence_across("meld", "iemocap", "train of MELD trains, dev validates; all of IEMOCAP is the test"),
    Protocol(
        name="cmu-mosi",
        corpus="cmu-mosi",
        label_set=SENTIMENT2,
        metric="weighted_f1",
        description="CMU-MOSI, binary sentiment; official train and test; a sixth of the training videos validate",
        rule=splits.official_drawn,
    ),
    Protocol(
        name="cmu-mosi:score",
        corpus="cmu-mosi",
        label_set=(),
        metric="ccc",
        description="CMU-MOSI, sentiment from -3 to 3 (column score of utterances.csv); divided as cmu-mosi",
        rule=splits.official_drawn,
        dimensions=MappingProxyType({"sentiment": "sentiment"}),
    ),
    *MOSEI_PROTOCOLS,
    Protocol(
        name="emorynlp-7",
        corpus="emorynlp",
        label_set=EMORYNLP7,
        metric="weighted_f1",
        description="EmoryNLP in its own seven classes; official train, dev (validates) and test",
        rule=splits.official,
    ),
    Protocol(
        name="dailydialog",
        corpus="dailydialog",
        label_set=DAILYDIALOG7,
        metric="macro_f1",
        description="DailyDialog in its own seven classes; official train, dev (validates) and test",
        rule=splits.official,
    ),
    Protocol(
        name="m3ed",
        corpus="m3ed",
        label_set=M3ED7,
        metric="weighted_f1",
        description="M3ED in its own seven classes; official train, dev (validates) and test, of other series each",
        rule=splits.official,
    ),
    *ITEM_PROTOCOLS,
    Protocol(
        name="utterance-random",
        corpus="any",
        label_set=(),
        metric="accuracy",
        description="utterances drawn without regard to dialogue or speaker, 80 / 10 / 10; only to show a leak",
        rule=splits.utterances_at_random,
        dialogues_apart=(),
        warning="parts share dialogues and speakers; its figures are not comparable with any other",
    ),
)


def _plugged(name: str, module: Any) -> Protocol | None:
    """The ``PROTOCOL`` of the module of a corpus; None: it has none. Raises InputError for anything else."""
    stated = getattr(module, "PROTOCOL", None)
    if stated is None or name not in CORPORA:
        return None
    if not isinstance(stated, Protocol) or (stated.name, stated.corpus) != (name, name):
        raise InputError(
            f"PROTOCOL is {stated!r}; expected a merc.evaluation.protocol.Protocol of name and corpus '{name}'"
        )
    return stated


def stated(file: str) -> Protocol:
    """The protocol that a manifest states: by its column ``split``, or folds of speakers or dialogues.

    Args:
        file: The table, or a folder with one.

    Raises:
        InputError: The manifest cannot be read, or a stated value cannot be used.
        ProtocolError: A metric that is not known, or labels and ratings that are absent.
    """
    described = CORPORA[f"{manifest.NAME}:{file}"]
    told, sha256 = manifest.statement(file)
    own = told.protocol
    labels = own.labels or (() if own.dimensions else described.labels)
    if not {*labels, *own.dimensions}:
        raise ProtocolError(
            f'{described.name} has no label; fill the column label, or state dimensions = ["valence"] in the '
            f"[protocol] of {Path(described.folder).with_suffix('.toml').name}"
        )
    words, rule = _division(own)
    return Protocol(
        name=described.name,
        corpus=described.name,
        label_set=labels,
        metric=own.metric or ("weighted_f1" if labels else "ccc"),
        description=f"{described.title}; {words}",
        rule=rule,
        label=lambda turn: turn.label if turn.label in labels else None,
        dimensions=MappingProxyType({name: name for name in own.dimensions}),
        speakers_apart=ALL_APART if own.parts_speakers else (),
        data=sha256,
    )


def _division(own: Division) -> tuple[str, splits.Rule]:
    """How a manifest is divided, in words and as a rule."""
    if own.by == "split":
        return "divided by its column split", item_splits.media_apart(splits.stated)
    words = f"{own.folds} folds of {own.by}s, an eighth of the others validates"
    return words, item_splits.grouped(own.by, own.folds, own.seed)


PROTOCOLS: Registry[Protocol] = Registry(
    "protocol",
    {protocol.name: protocol for protocol in _KNOWN},
    Plugins(GROUP, _plugged),
    families={manifest.NAME: stated},
)
"""Every protocol by name; that of a corpus of another package has the name of the corpus."""


def default_protocol(corpus: str) -> Protocol:
    """The protocol of a corpus where none is named: its first one.

    Args:
        corpus: Id of a corpus; several joined by "+".

    Returns:
        The protocol, which of a corpus of another package is its own.

    Raises:
        UnknownName: The corpus has no protocol.

    Example:
        >>> default_protocol("iemocap").name
        'iemocap6'
    """
    if corpus in PROTOCOLS and corpus.startswith(f"{manifest.NAME}:"):
        return PROTOCOLS[corpus]
    for protocol in _KNOWN:
        if protocol.corpus == corpus:
            return protocol
    if CORPORA.origin(corpus) and corpus in PROTOCOLS:
        return PROTOCOLS[corpus]
    known = ", ".join(sorted({protocol.corpus for protocol in PROTOCOLS.values()} - {"any"}))
    raise UnknownName(f"corpus '{corpus}' has no protocol; expected one of {known}, or manifest:FILE for your own")
