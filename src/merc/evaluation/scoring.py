"""Predicted labels beside annotated ones: aligned by utterance id, checked, ready for figures and resampling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.errors import InputError, ProtocolError
from merc.evaluation.metrics import confusion
from merc.evaluation.parts import Part


@dataclass(frozen=True, slots=True)
class Answers:
    """The annotated and predicted classes of n utterances.

    ``true`` and ``predicted`` are numbers into ``labels``, int64 ``(n,)``; ``dialogues`` says where each was spoken,
    which is what is resampled, ``speakers`` by whom (None: unknown).
    """

    labels: tuple[str, ...]
    ids: tuple[str, ...]
    true: np.ndarray
    predicted: np.ndarray
    dialogues: tuple[str, ...]
    speakers: tuple[str | None, ...]

    def __post_init__(self) -> None:
        if not self.ids:
            raise InputError("no utterance to score: the part is empty; check the label function and the split")
        lengths = {len(self.ids), len(self.true), len(self.predicted), len(self.dialogues), len(self.speakers)}
        if len(lengths) > 1:
            raise InputError(f"answers of lengths {sorted(lengths)}; expected one entry an utterance in each")

    @property
    def matrix(self) -> np.ndarray:
        """Confusion matrix, rows annotated, columns predicted: ``(classes, classes)`` int64."""
        return confusion(self.true, self.predicted, classes=len(self.labels))

    @property
    def counts(self) -> dict[str, int]:
        """Annotated utterances of each label."""
        found = np.bincount(self.true, minlength=len(self.labels))
        return {name: int(number) for name, number in zip(self.labels, found, strict=True)}

    def __len__(self) -> int:
        return len(self.ids)


def answers(part: Part, predicted: Mapping[str, str], *, labels: Sequence[str]) -> Answers:
    """Align predicted label names with those of a part, in corpus order.

    Raises InputError for an empty part, a scored utterance without a predicted label, and a predicted label outside
    ``labels``; ProtocolError for an annotated one outside. Predictions for other utterances are left aside.
    """
    if not len(part):
        raise InputError(f"part '{part.name}' holds no utterance to score; check the label function and the split")
    if missing := [name for name in part.labels if name not in predicted]:
        raise InputError(
            f"{len(missing)} of {len(part)} {part.name} utterances have no predicted label, first '{missing[0]}'; "
            "every utterance counts, also one that lacks a modality"
        )
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


def pooled(folds: Sequence[Answers]) -> Answers:
    """The answers of all folds of a cross-validation as one: each utterance is tested once.

    A figure of pooled answers differs from the mean of the folds' figures; records state which they hold. Raises
    InputError for folds of different label sets and for an utterance that two folds test.
    """
    if not folds:
        raise InputError("no fold to pool; expected at least one")
    if len({fold.labels for fold in folds}) > 1:
        raise InputError("folds of different label sets cannot be pooled; expected one protocol")
    ids = tuple(name for fold in folds for name in fold.ids)
    if len(set(ids)) < len(ids):
        twice = next(name for place, name in enumerate(ids) if name in ids[:place])
        raise InputError(f"utterance '{twice}' is tested by two folds; expected folds of one protocol and one seed")
    return Answers(
        labels=folds[0].labels,
        ids=ids,
        true=np.concatenate([fold.true for fold in folds]),
        predicted=np.concatenate([fold.predicted for fold in folds]),
        dialogues=tuple(name for fold in folds for name in fold.dialogues),
        speakers=tuple(name for fold in folds for name in fold.speakers),
    )
