"""Protocols of corpora of one modality, in the seven classes or those of them that a corpus has; and of CMU-MOSEI.

Texts, sounds and faces are divided as their corpora say, else by person: nobody is in two parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from merc.corpora.cmu_mosei import EMOTIONS
from merc.evaluation import item_splits, splits
from merc.evaluation.classes import SENTIMENT7, ekman7, sentiment7
from merc.evaluation.division import ALL_APART, Protocol
from merc.labels import EKMAN7, SENTIMENT2

_FOLDS = "five folds of speakers, an eighth of the others validates"
_LEFT_OUT = "tested on each corpus as a whole, trained on the others"
_VOICE, _FACE = ("valence", "activation", "dominance"), ("valence", "arousal")
_OFFICIAL = "official train, dev (validates) and test"


def _without(*absent: str) -> tuple[str, ...]:
    return tuple(label for label in EKMAN7 if label not in absent)


def _items(
    name: str,
    corpus: str,
    description: str,
    rule: splits.Rule,
    metric: str = "unweighted_recall",
    labels: tuple[str, ...] = EKMAN7,
) -> Protocol:
    """A protocol over items in the seven classes or some of them, which never has a person in two parts."""
    return Protocol(
        name=name,
        corpus=corpus,
        label_set=labels,
        metric=metric,
        description=f"{corpus.replace('+', ', ')}; {description}",
        rule=rule,
        label=ekman7,
        speakers_apart=ALL_APART,
    )


def _rated(
    name: str,
    corpus: str,
    description: str,
    rule: splits.Rule,
    dimensions: tuple[str, ...] = _VOICE,
    variants: tuple[str, ...] = (),
) -> Protocol:
    """A regression over items on the dimensions of their corpus, which never has a person in two parts."""
    return Protocol(
        name=name,
        corpus=corpus,
        label_set=(),
        metric="ccc",
        description=f"{corpus}, {', '.join(dimensions)} {description}",
        rule=rule,
        dimensions={one: one for one in dimensions},
        variants=variants,
        speakers_apart=ALL_APART,
    )


ITEM_PROTOCOLS = (
    _items("ravdess-speaker", "ravdess", _FOLDS, item_splits.by_person),
    _items("speech3-speaker", "ravdess+tess+savee", _FOLDS, item_splits.by_person),
    _items("speech3-cross", "ravdess+tess+savee", _LEFT_OUT, item_splits.corpora_left_out),
    _items("speech4", "ravdess+tess+savee+nemo", _FOLDS, item_splits.by_person),
    _items(
        "speech-cross", "ravdess+tess+savee+nemo", f"{_LEFT_OUT}, in the classes it has", item_splits.corpora_left_out
    ),
    _items("speech3-crema-speaker", "ravdess+tess+savee+crema-d", _FOLDS, item_splits.by_person),
    _items("speech3-crema-cross", "ravdess+tess+savee+crema-d", _LEFT_OUT, item_splits.corpora_left_out),
    _items("nemo-speaker", "nemo", _FOLDS, item_splits.by_person, labels=_without("disgust")),
    _items("speech-cross:nemo", "ravdess+savee+nemo", f"without TESS; {_LEFT_OUT}", item_splits.corpora_left_out),
    _items(
        "rafdb",
        "rafdb",
        "faces in seven classes; official test, an eighth of the training part validates",
        item_splits.official_test,
        metric="accuracy",
    ),
    _items("crema-d-speaker", "crema-d", _FOLDS, item_splits.by_person, labels=_without("surprise")),
    _items("emodb-speaker", "emodb", _FOLDS, item_splits.by_person, labels=_without("surprise")),
    _items("savee-speaker", "savee", "one speaker of four is the test, another validates", item_splits.people_left_out),
    _items("ckplus-speaker", "ckplus", "five folds of subjects", item_splits.by_person, labels=_without("neutral")),
    _items("fer2013", "fer2013", f"faces; {_OFFICIAL}", splits.official, "accuracy"),
    _items("goemotions", "goemotions", f"texts of one class; {_OFFICIAL}", splits.official, "macro_f1"),
    _items("carer", "carer", _OFFICIAL, splits.official, "macro_f1", _without("disgust", "neutral")),
    _items("semeval2018", "semeval2018", _OFFICIAL, splits.official, "macro_f1", _without("neutral")),
    _items(
        "isear-writer",
        "isear",
        "five folds of writers",
        item_splits.by_person,
        "macro_f1",
        _without("neutral", "surprise"),
    ),
    _items(
        "crowdflower-writer",
        "crowdflower",
        "five folds of writers",
        item_splits.by_person,
        "macro_f1",
        _without("disgust", "fear"),
    ),
    _items("emovo-speaker", "emovo", _FOLDS, item_splits.by_person),
    _items("esd-speaker", "esd", _FOLDS, item_splits.by_person, labels=_without("disgust", "fear")),
    _items(
        "affectnet",
        "affectnet",
        "faces in seven classes; official validation part as the test, an eighth of the training part validates",
        item_splits.official_test,
        metric="accuracy",
    ),
    _items(
        "msp-improv-speaker",
        "msp-improv",
        _FOLDS,
        item_splits.by_person,
        labels=_without("disgust", "fear", "surprise"),
    ),
    _rated("msp-improv-dimensions", "msp-improv", f"rated from 1 to 5; {_FOLDS}", item_splits.by_person),
    _rated("affectnet-dimensions", "affectnet", "from -1 to 1; divided as affectnet", item_splits.official_test, _FACE),
    _rated(
        "msp-podcast-dimensions",
        "msp-podcast",
        f"rated from 1 to 7; {_OFFICIAL} 1",
        item_splits.official_parts("test1"),
        variants=("msp-podcast-dimensions:test2",),
    ),
    _rated(
        "msp-podcast-dimensions:test2",
        "msp-podcast",
        f"rated from 1 to 7; {_OFFICIAL} 2",
        item_splits.official_parts("test2"),
        variants=("msp-podcast-dimensions",),
    ),
    _items("msp-podcast", "msp-podcast", f"{_OFFICIAL} 1", item_splits.official_parts("test1"), "macro_f1"),
    _items("msp-podcast:test2", "msp-podcast", f"{_OFFICIAL} 2", item_splits.official_parts("test2"), "macro_f1"),
)

_MOSEI = "official train, validation and test videos"


def _values(name: str, what: str, dimensions: Mapping[str, str]) -> Protocol:
    return replace(_BINARY, name=name, label_set=(), metric="ccc", description=what, dimensions=dimensions)


_BINARY = Protocol(
    name="cmu-mosei",
    corpus="cmu-mosei",
    label_set=SENTIMENT2,
    metric="weighted_f1",
    description=f"CMU-MOSEI, sentiment below and above 0 (0 does not count); {_MOSEI}",
    rule=item_splits.official_parts("test"),
)
MOSEI_PROTOCOLS = (
    _BINARY,
    replace(
        _BINARY,
        name="cmu-mosei-7",
        label_set=SENTIMENT7,
        metric="accuracy",
        description=f"CMU-MOSEI, sentiment in seven classes; {_MOSEI}",
        label=sentiment7,
    ),
    _values("cmu-mosei:score", f"CMU-MOSEI, sentiment from -3 to 3; {_MOSEI}", {"sentiment": "sentiment"}),
    _values(
        "cmu-mosei-emotions",
        f"CMU-MOSEI, the intensities of six emotions from 0 to 3, of which several may hold; {_MOSEI}",
        {one: one for one in EMOTIONS},
    ),
)
