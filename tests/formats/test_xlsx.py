"""Excel: what is kept, what openpyxl sees, and what is refused."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings

from merc import edits, formats
from merc.conversation import Segment, Timeline, Utterance
from merc.edits import Note, Relabel
from merc.errors import FormatError, MissingExtra
from tests.formats.made_timelines import sample, timeline, timelines


@settings(max_examples=20, deadline=None, derandomize=True)
@given(made=timelines())
def test_excel_keeps_what_csv_keeps_and_texts_exactly(tmp_path_factory: Any, made: Timeline):
    if not len(made):
        return
    folder = tmp_path_factory.mktemp("x")
    found = formats.read(formats.write(made, folder / "t.xlsx"))
    other = formats.read(formats.write(made, folder / "t.parquet"))
    assert [(one.id, one.speaker, one.text or None, one.segment) for one in found] == [
        (one.id, one.speaker, one.text or None, one.segment) for one in other
    ]
    assert [one.meta["predicted"] for one in found] == [guess.label for guess in made.predictions]


def test_texts_are_texts_and_numbers_numbers(tmp_path: Path):
    hostile = "=1+1 _x000D_ \x01 a\r\nb"
    path = formats.write(timeline(Utterance("u1", "A", hostile, Segment(0.25, 1.5))), tmp_path / "t.xlsx")
    sheet = openpyxl.load_workbook(path)["utterances"]
    assert [cell.value for cell in sheet[1]][:6] == ["id", "start", "end", "speaker", "text", "label"]
    assert (sheet["B2"].value, sheet["C2"].value, sheet["E2"].data_type) == (0.25, 1.5, "s")
    assert [one.text for one in formats.read(path)] == [hostile]


def test_the_label_is_chosen_from_a_list(tmp_path: Path):
    sheet = openpyxl.load_workbook(formats.write(sample(), tmp_path / "t.xlsx"))["utterances"]
    [choice] = sheet.data_validations.dataValidation
    assert str(choice.sqref) == "F2:F5"
    assert choice.formula1 == '"anger,disgust,fear,joy,neutral,sadness,surprise"'


def test_corrections_have_columns(tmp_path: Path):
    made = edits.edited(sample(), Relabel("u1", "fear"), Note("u2", "loud"), by="Eve", at="2026-01-02").corrected
    sheet = openpyxl.load_workbook(formats.write(made, tmp_path / "t.xlsx"))["utterances"]
    rows = [dict(zip([c.value for c in sheet[1]], [c.value for c in row], strict=True)) for row in sheet.iter_rows(2)]
    assert [rows[0][name] for name in ("label", "predicted", "corrected_by", "corrected_at", "confidence")] == [
        "fear",
        "joy",
        "Eve",
        "2026-01-02",
        None,
    ]
    assert rows[1]["note"] == "loud"
    found = formats.read(tmp_path / "t.xlsx")
    assert found.utterances[0].meta == {"predicted": "joy", "corrected": "fear"}


def test_what_cannot_be_read_or_held_is_said(tmp_path: Path):
    (tmp_path / "t.xlsx").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(FormatError, match=r"t\.xlsx is not an Excel workbook \(.*check that it was exported"):
        formats.read(tmp_path / "t.xlsx")
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(FormatError, match=r"empty\.xlsx has no header row"):
        formats.read(tmp_path / "empty.xlsx")
    with pytest.raises(FormatError, match=r"a text has 40000 characters, Excel has at most 32767; choose csv"):
        formats.write(timeline(Utterance("u1", "A", "a" * 40_000)), tmp_path / "long.xlsx")


def test_without_openpyxl_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(MissingExtra, match=r"pip install 'merc\[xlsx\]', or choose csv"):
        formats.write(sample(), tmp_path / "t.xlsx")
