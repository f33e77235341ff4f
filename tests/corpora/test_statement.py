"""What a manifest states: terms and protocol, in a file beside the table; every mistake is named with its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora.statement import Division, Statement, read_statement
from merc.errors import FormatError, InputError
from tests.corpora import trees

WHOLE = """
title = "Interviews"
licence = "internal"
noncommercial = false
[protocol]
by = "speaker"
folds = 3
seed = 7
labels = ["calm", "tense"]
dimensions = ["valence"]
metric = "macro_f1"
[ekman7]
tense = "fear"
"""


def test_everything_that_can_be_stated(tmp_path: Path) -> None:
    trees.write(tmp_path / "mine.toml", WHOLE)
    division = Division("speaker", 3, 7, False, ("calm", "tense"), ("valence",), "macro_f1")
    assert read_statement(tmp_path / "mine.csv") == Statement(
        "Interviews", "internal", False, division, {"tense": "fear"}
    )
    assert read_statement(tmp_path / "other.csv") == Statement()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[smell]", r"mine\.toml: unknown key 'smell'; expected some of title, licence, noncommercial, protocol"),
        ("protocol = 1", r"mine\.toml, \[protocol\]: '1'; expected a table of keys and values"),
        ("[protocol]\nfold = 2", r"mine\.toml, \[protocol\]: unknown key 'fold'; expected some of by, folds"),
        ("[protocol]\nfolds = 1", r"mine\.toml, \[protocol\]: folds is 1: expected at least 2"),
        ("[protocol]\nby = 'day'", r"\[protocol\]: by is 'day': expected one of split, speaker, dialogue"),
        ("[protocol]\nfolds = 'two'", r'\[protocol\].* folds is "two": expected a whole number'),
        ("[ekman7]\ntense = 3", r"\[ekman7\]: expected LABEL = \"CLASS\""),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, message: str) -> None:
    trees.write(tmp_path / "mine.toml", text)
    with pytest.raises(InputError, match=message):
        read_statement(tmp_path / "mine.csv")


def test_a_file_that_is_no_toml(tmp_path: Path) -> None:
    trees.write(tmp_path / "mine.toml", "by speaker")
    with pytest.raises(FormatError, match=r"mine\.toml: .*expected TOML, see 'merc corpora show manifest'"):
        read_statement(tmp_path / "mine.csv")
