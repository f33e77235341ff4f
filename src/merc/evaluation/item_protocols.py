"""Protocols of corpora of one modality, in the seven classes or those of them that a corpus has.

Texts, sounds and faces are divided as their corpora say, else by person: nobody is in two parts.
"""

from __future__ import annotations

from merc.evaluation import item_splits, splits
from merc.evaluation.classes import ekman7
from merc.evaluation.division import ALL_APART, Protocol
from merc.labels import EKMAN7

_FOLDS = "five folds of speakers, an eighth of the others validates"
_LEFT_OUT = "tested on each corpus as a whole, trained on the others"
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
    _items("msp-podcast", "msp-podcast", f"{_OFFICIAL} 1", item_splits.official_parts("test1"), "macro_f1"),
    _items("msp-podcast:test2", "msp-podcast", f"{_OFFICIAL} 2", item_splits.official_parts("test2"), "macro_f1"),
)
