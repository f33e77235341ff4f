"""The answers of a run as a table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merc.evaluation.scoring import Answers, Values
from merc.reporting.predictions import joined, of_labels, of_values, write

WHO = {"ids": ("a", "b"), "dialogues": ("d", "d"), "speakers": ("Ann", None)}
LABELS = Answers(("calm", "tense"), true=np.array([0, 1]), predicted=np.array([1, 1]), **WHO)
VALUES = Values(("valence",), true=np.array([[0.5], [np.nan]]), predicted=np.array([[0.25], [-1.0]]), **WHO)


def test_labels_and_values_of_an_utterance_share_a_row(tmp_path: Path) -> None:
    rows = joined(of_labels(LABELS, np.array([[0.25, 0.75], [0.0, 1.0]])), of_values(VALUES))
    write(rows, tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text().splitlines() == [
        "utterance,conversation,speaker,annotated,predicted,p_calm,p_tense,annotated_valence,predicted_valence",
        "a,d,Ann,calm,tense,0.250000,0.750000,0.5,0.250000",
        "b,d,,tense,tense,0.000000,1.000000,,-1.000000",
    ]


def test_an_utterance_that_only_one_of_two_has_leaves_the_other_cells_empty(tmp_path: Path) -> None:
    first = of_values(VALUES)
    write(joined({"a": first["a"]}, {"b": {"utterance": "b", "more": "1"}}), tmp_path / "answers.csv")
    assert (tmp_path / "answers.csv").read_text().splitlines()[1:] == ["a,d,Ann,0.5,0.250000,", "b,,,,,1"]
