"""ISEAR: rows without an answer, missing columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import isear
from merc.errors import InputError
from tests.corpora.trees import write


def test_isear_marks_rows_without_an_answer(tmp_path: Path) -> None:
    rows = "ID|Field1|SIT|MYKEY||\n11|joy|We met á again.|110||\n11|guilt|NO RESPONSE.|111||\n12|fear|[ Never.]|112||\n"
    write(tmp_path / "isear_full_pipe.csv", rows, "latin-1")
    items = isear.read(tmp_path)
    assert [(i.text, i.defect) for i in items] == [
        ("We met again.", None),
        ("NO RESPONSE.", "no answer"),
        ("[ Never.]", "no answer"),
    ]
    assert [isear.CORPUS.ekman7(i) for i in items] == ["joy", None, None]


def test_isear_names_missing_columns(tmp_path: Path) -> None:
    write(tmp_path / "isear_full_pipe.csv", "ID|Field1\n")
    with pytest.raises(
        InputError, match=r"required column SIT, MYKEY not found \(columns: .*\); expected Field1, SIT, MYKEY, ID"
    ):
        isear.read(tmp_path)
