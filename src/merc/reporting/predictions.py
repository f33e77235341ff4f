"""The answers of a run as a table: one row per utterance, with what was annotated and what was predicted."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from merc.cache import replacing
from merc.evaluation.scoring import Answers, Values

Rows = Mapping[str, dict[str, str]]
"""By utterance the cells by column."""


def of_labels(answers: Answers, probabilities: np.ndarray) -> Rows:
    """Rows with ``annotated``, ``predicted`` and the probability ``p_LABEL`` of each label.

    Args:
        answers: Of n utterances.
        probabilities: ``(n, C)``, in the order of the answers and of their labels.
    """
    pairs = zip(_of(answers).items(), answers.true, answers.predicted, probabilities, strict=True)
    return {
        name: cells
        | {"annotated": answers.labels[true], "predicted": answers.labels[predicted]}
        | {f"p_{label}": f"{p:.6f}" for label, p in zip(answers.labels, own, strict=True)}
        for (name, cells), true, predicted, own in pairs
    }


def of_values(answers: Values) -> Rows:
    """Rows with ``annotated_DIMENSION``, empty where there is none, and ``predicted_DIMENSION``."""
    return {
        name: cells
        | {f"annotated_{one}": "" if np.isnan(v) else f"{v:g}" for one, v in zip(answers.dimensions, true, strict=True)}
        | {f"predicted_{one}": f"{v:.6f}" for one, v in zip(answers.dimensions, predicted, strict=True)}
        for (name, cells), true, predicted in zip(_of(answers).items(), answers.true, answers.predicted, strict=True)
    }


def joined(first: Rows, second: Rows) -> Rows:
    """The cells of both by utterance, in the order of the first."""
    names = dict.fromkeys([*first, *second])
    return {name: {**first.get(name, {}), **second.get(name, {})} for name in names}


def write(rows: Rows, path: Path) -> None:
    """Write rows as a CSV table; raises OutputError where it cannot be written."""
    columns = list(dict.fromkeys(column for cells in rows.values() for column in cells))
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, columns, restval="", lineterminator="\n")
        table.writeheader()
        table.writerows(rows.values())


def _of(answers: Answers | Values) -> dict[str, dict[str, str]]:
    who = zip(answers.ids, answers.dialogues, answers.speakers, strict=True)
    return {name: {"utterance": name, "conversation": talk, "speaker": speaker or ""} for name, talk, speaker in who}
