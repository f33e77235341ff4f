"""Predictions aligned with annotation by utterance id and checked: ``Answers`` of labels, ``Values`` of dimensions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TypeVar

import numpy as np

from merc.errors import InputError, ProtocolError
from merc.evaluation.metrics import confusion
from merc.evaluation.parts import Part


@dataclass(frozen=True, slots=True)
class Answers:
    """The annotated and predicted classes of n utterances.

    Attributes:
        labels: The label set.
        ids: Utterance ids.
        true: Annotated classes ``(n,)`` int64, places in ``labels``.
        predicted: Predicted classes ``(n,)`` int64.
        dialogues: What each utterance is resampled with: its dialogue, or another cluster.
        speakers: Who says each; None: unknown.
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    dialogues: tuple[str, ...]
    speakers: tuple[str | None, ...]

    def __post_init__(self) -> None:
        _refuse_uneven(self)

    @property
    def matrix(self) -> np.ndarray:
        """Confusion matrix, rows annotated, columns predicted: ``(classes, classes)`` int64."""
        return confusion(self.true, self.predicted, classes=len(self.labels))

    @property
    def counts(self) -> dict[str, int]:
        """Annotated utterances of each label."""
        found = np.bincount(self.true, minlength=len(self.labels))
        return {name: int(number) for name, number in zip(self.labels, found, strict=True)}

    def of_corpora(self, corpora: Sequence[str]) -> Answers | None:
        """The answers whose ids begin with one of these corpora, as ``tess/…`` does; None where there are none."""
        return self.of({name for name in self.ids if name.partition("/")[0] in corpora})

    def of(self, ids: Collection[str]) -> Answers | None:
        """The answers on some utterances; None where there are none of them."""
        kept = [place for place, name in enumerate(self.ids) if name in ids]
        if not kept:
            return None
        return replace(
            self,
            ids=tuple(self.ids[place] for place in kept),
            true=self.true[kept],
            predicted=self.predicted[kept],
            dialogues=tuple(self.dialogues[place] for place in kept),
            speakers=tuple(self.speakers[place] for place in kept),
        )

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Values:
    """The annotated and predicted values of n utterances on some dimensions.

    Attributes:
        dimensions: Names such as "valence".
        ids: Utterance ids.
        true: Annotated values ``(n, dimensions)`` float64, NaN where there is none.
        predicted: Predicted values ``(n, dimensions)`` float64, finite.
        dialogues: What each utterance is resampled with: its dialogue, or another cluster.
        speakers: Who says each; None: unknown.
    """

    dimensions: tuple[str, ...]
    ids: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    dialogues: tuple[str, ...]
    speakers: tuple[str | None, ...]

    def __post_init__(self) -> None:
        _refuse_uneven(self)
        shape = len(self.ids), len(self.dimensions)
        if self.true.shape != shape or self.predicted.shape != shape:
            raise InputError(
                f"values of shapes {self.true.shape} and {self.predicted.shape}; expected {shape}, one row per "
                f"utterance and one column for each of {', '.join(self.dimensions)}"
            )
        if not np.isfinite(self.predicted).all():
            row = int(np.flatnonzero(~np.isfinite(self.predicted).all(axis=1))[0])
            raise InputError(f"'{self.ids[row]}': predicted {self.predicted[row].tolist()}; expected finite numbers")

    @property
    def counts(self) -> dict[str, int]:
        """Annotated utterances of each dimension."""
        known = np.isfinite(self.true).sum(0)
        return {name: int(number) for name, number in zip(self.dimensions, known, strict=True)}

    def only(self, dimension: str) -> Values:
        """The values on one of the dimensions."""
        place = [self.dimensions.index(dimension)]
        return replace(self, dimensions=(dimension,), true=self.true[:, place], predicted=self.predicted[:, place])

    def __len__(self) -> int:
        return len(self.ids)


def _refuse_uneven(scored: Answers | Values) -> None:
    if not scored.ids:
        raise InputError("no utterance to score: the part is empty; check the label function and the split")
    lengths = {len(scored.ids), len(scored.true), len(scored.predicted), len(scored.dialogues), len(scored.speakers)}
    if len(lengths) > 1:
        raise InputError(f"answers of lengths {sorted(lengths)}; expected one entry an utterance in each")


def _refuse_missing(part: Part, wanted: Mapping[str, object], predicted: Mapping[str, object], kind: str) -> None:
    if not wanted:
        raise InputError(f"part '{part.name}' holds no utterance to score; check the label function and the split")
    if missing := [name for name in wanted if name not in predicted]:
        raise InputError(
            f"{len(missing)} of {len(wanted)} {part.name} utterances have no predicted {kind}, first '{missing[0]}'; "
            "every utterance counts, also one that lacks a modality"
        )


def answers(part: Part, predicted: Mapping[str, str], *, labels: Sequence[str]) -> Answers:
    """Align predicted label names with those of a part, in corpus order.

    Predictions for other utterances are ignored.

    Raises:
        InputError: An empty part, a scored utterance without a predicted label, a predicted label not in ``labels``.
        ProtocolError: An annotated label not in ``labels``.
    """
    _refuse_missing(part, part.labels, predicted, "label")
    place = {label: number for number, label in enumerate(labels)}
    for name, label in part.labels.items():
        if label not in place:
            raise ProtocolError(f"utterance '{name}': annotated label '{label}'; expected one of {', '.join(labels)}")
        if predicted[name] not in place:
            raise InputError(f"'{name}': predicted label '{predicted[name]}'; expected one of {', '.join(labels)}")
    return Answers(
        labels=tuple(labels),
        ids=tuple(part.labels),
        true=np.array([place[label] for label in part.labels.values()], dtype=np.int64),
        predicted=np.array([place[predicted[name]] for name in part.labels], dtype=np.int64),
        dialogues=tuple(part.dialogues[name] for name in part.labels),
        speakers=tuple(part.speakers[name] for name in part.labels),
    )


def values(part: Part, predicted: Mapping[str, Sequence[float]], *, dimensions: Sequence[str]) -> Values:
    """Align predicted values with the targets of a part, in corpus order.

    Args:
        part: A part of a regression protocol.
        predicted: By utterance id one value for each dimension; other utterances are ignored.
        dimensions: Names of the columns, in the order of the part's targets.

    Raises:
        InputError: A part without targets, a scored utterance without predicted values, another number of values than
            dimensions, or a value that is not finite.
    """
    if len(part) and not part.targets:
        raise InputError(
            f"part '{part.name}' has labels but no targets: a regression needs a protocol with dimensions, such as "
            "iemocap-dimensions"
        )
    _refuse_missing(part, part.targets, predicted, "value")
    if wrong := [name for name in part.targets if len(predicted[name]) != len(dimensions)]:
        raise InputError(
            f"'{wrong[0]}': {len(predicted[wrong[0]])} predicted values; expected {len(dimensions)}: "
            f"{', '.join(dimensions)}"
        )
    return Values(
        dimensions=tuple(dimensions),
        ids=tuple(part.targets),
        true=np.array(list(part.targets.values()), dtype=np.float64),
        predicted=np.array([predicted[name] for name in part.targets], dtype=np.float64),
        dialogues=tuple(part.dialogues[name] for name in part.targets),
        speakers=tuple(part.speakers[name] for name in part.targets),
    )


Scored = TypeVar("Scored", Answers, Values)


def pooled(folds: Sequence[Scored]) -> Scored:
    """The answers of all folds of a cross-validation as one: each utterance is tested once.

    A figure of pooled answers differs from the mean of the folds' figures; records state which they hold.

    Raises:
        InputError: Folds of different label sets or dimensions, or an utterance that two folds test.
    """
    if not folds:
        raise InputError("no fold to pool; expected at least one")
    if len({columns(fold) for fold in folds}) > 1:
        raise InputError("folds of different label sets cannot be pooled; expected one protocol")
    ids = tuple(chain.from_iterable(fold.ids for fold in folds))
    if len(set(ids)) < len(ids):
        twice = Counter(ids).most_common(1)[0][0]
        raise InputError(f"utterance '{twice}' is tested by two folds; expected folds of one protocol and one seed")
    return replace(
        folds[0],
        ids=ids,
        true=np.concatenate([fold.true for fold in folds]),
        predicted=np.concatenate([fold.predicted for fold in folds]),
        dialogues=tuple(chain.from_iterable(fold.dialogues for fold in folds)),
        speakers=tuple(chain.from_iterable(fold.speakers for fold in folds)),
    )


def columns(scored: Answers | Values) -> tuple[str, ...]:
    """The label set of answers, the dimensions of values."""
    return scored.labels if isinstance(scored, Answers) else scored.dimensions
