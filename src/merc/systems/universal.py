"""Universal labels: sentiment and emotions of several corpora in one form, written as text, filled from neighbours.

Source: "UniMSE: Towards Unified Multimodal Sentiment Analysis and Emotion Recognition", Hu et al., EMNLP 2022. What one
corpus does not say of an utterance (its emotion, its sentiment score) is taken from the utterance of another corpus
that says nearly the same, within the same polarity. The vectors of the source are those of a SimCSE encoder; any
sentence vectors will do.

A label has the fields polarity, score, meld and iemocap, in the order in which they are written. Outside this file a
field's value is its number in ``VALUES``.

A filled label is a target of training. It must never be made for utterances that are tested and then be read as input.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from merc.errors import InputError
from merc.labels import EKMAN7, IEMOCAP6

POLARITIES = ("negative", "neutral", "positive")
SCORE_LIMIT = 3.0  # sentiment scores go from -3 to 3
SCORES = tuple(round(-SCORE_LIMIT + 0.2 * step, 1) for step in range(31))
"""The scores that are written: a fifth apart, as means of five raters are."""

VALUES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"polarity": POLARITIES, "score": tuple(f"{one:.1f}" for one in SCORES), "meld": EKMAN7, "iemocap": IEMOCAP6}
)
"""The values of each field as they are written, field after field."""

CLASS = "class"
"""The only field of a label text where the classes are of no universal label."""

POLARITY_OF: Mapping[str, str | None] = MappingProxyType(
    dict.fromkeys(("joy", "happy", "excited", "positive"), "positive")
    | dict.fromkeys(("anger", "angry", "sadness", "sad", "fear", "disgust", "frustrated", "negative"), "negative")
    | {"neutral": "neutral", "surprise": None}
)
"""The polarity of an emotion; None: that depends on the context."""

_MERGED: Mapping[tuple[str, ...], Mapping[str, tuple[str, ...]]] = {
    ("angry", "happy", "neutral", "sad"): {"happy": ("happy", "excited")}
}
"""Classes that are several values of a field, by label set."""

_RESERVED = 2  # of our own tokens 0 pads and starts, 1 ends; the values of all fields follow
_ROWS = 1024  # compared at once


@dataclass(frozen=True, slots=True)
class UniversalLabel:
    """What is known of an utterance; None: not known. Raises InputError for a value that does not exist."""

    polarity: str | None = None
    score: float | None = None  # sentiment, -3 to 3
    meld: str | None = None  # one of MELD's seven classes
    iemocap: str | None = None  # one of IEMOCAP's six classes

    def __post_init__(self) -> None:
        for name, words in VALUES.items():
            value = getattr(self, name)
            if name != "score" and value is not None and value not in words:
                raise InputError(f"universal label: {name} '{value}'; expected one of {', '.join(words)}, or None")
        if self.score is not None and not -SCORE_LIMIT <= self.score <= SCORE_LIMIT:
            raise InputError(f"universal label: score {self.score}; expected {-SCORE_LIMIT:g} to {SCORE_LIMIT:g}")

    @classmethod
    def of_score(cls, score: float) -> UniversalLabel:
        """A label of a sentiment corpus: its sign is the polarity."""
        return cls(polarity=POLARITIES[int(np.sign(score)) + 1], score=score)

    @classmethod
    def of_class(cls, name: str) -> UniversalLabel:
        """A class of an emotion or sentiment corpus by its name there; surprise has no polarity yet."""
        return cls(
            polarity=POLARITY_OF.get(name),
            meld=name if name in EKMAN7 else None,
            iemocap=name if name in IEMOCAP6 else None,
        )


def encode(label: UniversalLabel, fields: Sequence[str]) -> list[int]:
    """The number of each field's value in ``VALUES``, the nearest one of a score; -1 where it is not known.

    Example:
        >>> encode(UniversalLabel.of_score(1.25), ("polarity", "score", "meld"))
        [2, 21, -1]
    """
    return [_number(name, getattr(label, name)) for name in fields]


def _number(field: str, value: Any) -> int:
    if value is None:
        return -1
    if field == "score":
        return int(np.abs(np.array(SCORES) - value).argmin())
    return VALUES[field].index(value)


def decode(numbers: Sequence[int], fields: Sequence[str]) -> UniversalLabel:
    """The label behind numbers in ``VALUES``, -1 for a field that is not known.

    Example:
        >>> decode([2, 21, -1], ("polarity", "score", "meld"))
        UniversalLabel(polarity='positive', score=1.2, meld=None, iemocap=None)
    """
    known = {name: VALUES[name][number] for name, number in zip(fields, numbers, strict=True) if number >= 0}
    score = float(known.pop("score")) if "score" in known else None
    return UniversalLabel(**known, score=score)


def field_of(labels: Sequence[str]) -> str:
    """The field whose values the classes are; ``CLASS`` where there is none."""
    for name in ("polarity", "meld", "iemocap"):
        if labels and set(labels) <= set(VALUES[name]):
            return name
    return CLASS


def members_of(labels: Sequence[str], field: str, classes: int) -> tuple[tuple[int, ...], ...]:
    """For each class the numbers of the values of its field that count as it: of IEMOCAP's four, happy has excited too.

    Example:
        >>> members_of(("angry", "happy", "neutral", "sad"), "iemocap", 4)
        ((0,), (3, 1), (4,), (5,))
    """
    if field == CLASS:
        return tuple((number,) for number in range(classes))
    merged = _MERGED.get(tuple(labels), {})
    return tuple(tuple(VALUES[field].index(one) for one in merged.get(name, (name,))) for name in labels)


def fill(labels: Sequence[UniversalLabel], vectors: np.ndarray) -> list[UniversalLabel]:
    """The same labels with what is missing taken from the nearest other utterance of the same polarity.

    A known value is kept. A label without polarity takes that of its nearest neighbour that has one. What nobody of
    that polarity knows stays None.

    Args:
        labels: n labels.
        vectors: ``(n, d)``, one for each label, compared by cosine; the first of equals wins.

    Raises:
        InputError: Another number of vectors.
    """
    if vectors.ndim != 2 or len(vectors) != len(labels):
        raise InputError(f"vectors of shape {vectors.shape} for {len(labels)} labels; expected one row for each label")
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit = vectors / np.maximum(lengths, np.finfo(vectors.dtype).tiny)
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
        if not known:
            continue
        for start in range(0, len(asking), _ROWS):  # a row that asks is never among those that know
            rows = asking[start : start + _ROWS]
            for row, place in zip(rows, (unit[rows] @ unit[known].T).argmax(1).tolist(), strict=True):
                found[row] = values[known[place]]
    return found


Tokens = tuple[tuple[int, ...], ...]
"""The token sequence of each value of a field."""


def own_tokens(fields: Sequence[str], classes: int) -> dict[str, Tokens]:
    """The values of each field as one token each of a vocabulary of our own; ``CLASS`` has one for each class."""
    found: dict[str, Tokens] = {}
    first = _RESERVED
    for name in fields:
        size = classes if name == CLASS else len(VALUES[name])
        found[name] = tuple((first + number,) for number in range(size))
        first += size
    return found
