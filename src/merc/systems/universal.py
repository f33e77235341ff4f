"""Universal labels: sentiment and emotions of several corpora in one form, written as text, filled from neighbours.

Source: "UniMSE: Towards Unified Multimodal Sentiment Analysis and Emotion Recognition", Hu et al., EMNLP 2022. What one
corpus does not say of an utterance (its emotion, its sentiment score) is taken from the utterance of another corpus
that says nearly the same, within the same polarity. The vectors of the source are those of a SimCSE encoder; any
sentence vectors will do.

A filled label is a target of training. It must never be made for utterances that are tested and then be read as input.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from merc.errors import InputError
from merc.labels import EKMAN7, IEMOCAP6

POLARITIES = ("negative", "neutral", "positive")
SCORE_LIMIT = 3.0  # sentiment scores go from -3 to 3

POLARITY_OF: Mapping[str, str | None] = MappingProxyType(
    dict.fromkeys(("joy", "happy", "excited", "positive"), "positive")
    | dict.fromkeys(("anger", "angry", "sadness", "sad", "fear", "disgust", "frustrated", "negative"), "negative")
    | {"neutral": "neutral", "surprise": None}
)
"""The polarity of an emotion; None: that depends on the context."""

Sequences = Sequence[Sequence[Sequence[int]]]
"""For each class the token sequences of its label texts."""

_RESERVED = 2  # of our own tokens 0 pads and starts, 1 ends; polarities and classes follow
_FIELDS = ("polarity", "score", "meld", "iemocap")
_WORDS: Mapping[str, Sequence[str]] = {"polarity": POLARITIES, "meld": EKMAN7, "iemocap": IEMOCAP6}


@dataclass(frozen=True, slots=True)
class UniversalLabel:
    """What is known of an utterance; None: not known. Raises InputError for a value that does not exist."""

    polarity: str | None = None
    score: float | None = None  # sentiment, -3 to 3
    meld: str | None = None  # one of MELD's seven classes
    iemocap: str | None = None  # one of IEMOCAP's six classes

    def __post_init__(self) -> None:
        for name, words in _WORDS.items():
            value = getattr(self, name)
            if value is not None and value not in words:
                raise InputError(f"universal label: {name} '{value}'; expected one of {', '.join(words)}, or None")
        if self.score is not None and not -SCORE_LIMIT <= self.score <= SCORE_LIMIT:
            raise InputError(f"universal label: score {self.score}; expected {-SCORE_LIMIT:g} to {SCORE_LIMIT:g}")

    @classmethod
    def of_score(cls, score: float) -> UniversalLabel:
        """A label of a sentiment corpus: its sign is the polarity."""
        return cls(polarity=POLARITIES[int(np.sign(score)) + 1], score=score)

    @classmethod
    def of_emotion(cls, emotion: str) -> UniversalLabel:
        """A label of an emotion corpus by its name there; surprise has no polarity yet."""
        polarity = POLARITY_OF.get(emotion)
        return cls(
            polarity=polarity,
            meld=emotion if emotion in EKMAN7 else None,
            iemocap=emotion if emotion in IEMOCAP6 else None,
        )


def encode(label: UniversalLabel) -> str:
    """A label as the text that a generator writes: ``polarity: positive; score: 1.6; meld: joy; iemocap: happy``."""
    return "; ".join(f"{name}: {'none' if (value := getattr(label, name)) is None else value}" for name in _FIELDS)


def decode(text: str) -> UniversalLabel:
    """The label in a generated text; whatever cannot be read is None, so that no text is refused."""
    found: dict[str, str | float | None] = {}
    for part in text.lower().split(";"):
        name, _, value = (piece.strip() for piece in part.partition(":"))
        if name == "score":
            found.setdefault(name, _score(value))
        elif value in _WORDS.get(name, ()):
            found.setdefault(name, value)
    return UniversalLabel(**found)  # type: ignore[arg-type]  # names and values were read against _FIELDS


def _score(text: str) -> float | None:
    try:
        score = float(text)
    except ValueError:
        return None
    return score if math.isfinite(score) and abs(score) <= SCORE_LIMIT else None


def fill(labels: Sequence[UniversalLabel], vectors: np.ndarray) -> list[UniversalLabel]:
    """The same labels with what is missing taken from the nearest other utterance of the same polarity.

    ``vectors (n, d)``: one for each label, compared by cosine; the first of equals wins. A known value is kept. A label
    without polarity takes that of its nearest neighbour that has one. What nobody of that polarity knows stays None.
    Raises InputError where the number of vectors is another.
    """
    if vectors.ndim != 2 or len(vectors) != len(labels):
        raise InputError(f"vectors of shape {vectors.shape} for {len(labels)} labels; expected one row for each label")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, np.finfo(np.float64).tiny)
    polarities = _filled(unit, [one.polarity for one in labels], ["" for _ in labels])
    columns = {
        name: _filled(unit, [getattr(one, name) for one in labels], polarities) for name in ("score", "meld", "iemocap")
    }
    return [
        replace(one, polarity=polarities[row], **{name: column[row] for name, column in columns.items()})
        for row, one in enumerate(labels)
    ]


def _filled(unit: np.ndarray, values: Sequence[Any], groups: Sequence[str | None]) -> list[Any]:
    """Each missing value from the nearest row of the same group that has one: unit vectors ``(n, d)``."""
    found = list(values)
    inside: dict[str | None, tuple[list[int], list[int]]] = {}
    for row, (group, value) in enumerate(zip(groups, values, strict=True)):
        inside.setdefault(group, ([], []))[value is None].append(row)
    inside.pop(None, None)
    for known, asking in inside.values():
        if known and asking:  # a row that asks is never among those that know: the query itself is excluded
            nearest = (unit[asking] @ unit[known].T).argmax(1)
            for row, place in zip(asking, nearest, strict=True):
                found[row] = values[known[int(place)]]
    return found


def polarities_of(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """For each class name the polarities it may have: one, or all three where that depends or is not known."""
    known = (POLARITY_OF.get(name.lower()) for name in labels)
    return tuple(POLARITIES if one is None else (one,) for one in known)


def spoken(labels: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    """For each class name the texts a generator may write for it, such as ``negative sad``: polarity, then the name."""
    return tuple(
        tuple(f"{polarity} {name}" for polarity in polarities)
        for name, polarities in zip(labels, polarities_of(labels), strict=True)
    )


def own_sequences(classes: int, labels: Sequence[str] = ()) -> Sequences:
    """Label texts of two tokens, polarity and class, in a small vocabulary of our own.

    Raises InputError where the labels are not as many as the classes.
    """
    if labels and len(labels) != classes:
        raise InputError(f"unimse: {len(labels)} labels for {classes} classes: name each class once, or none")
    allowed = polarities_of(labels) if labels else (POLARITIES,) * classes
    first = _RESERVED + len(POLARITIES)
    return tuple(
        tuple((_RESERVED + POLARITIES.index(one), first + number) for one in allowed[number])
        for number in range(classes)
    )
