"""Corrections made in files: what was changed there, and nothing else, becomes edits."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pympi.Elan import Eaf

from merc import edits, formats
from merc.conversation import Timeline
from merc.corrections import changes_in
from merc.edits import Assign, Note, Relabel, Rename, Retime, Rewrite
from merc.errors import InputError
from merc.labels import EKMAN7
from tests.edits.made_edits import edited, talk
from tests.formats.made_timelines import timelines

EXACT = ("csv", "xlsx", "parquet", "eaf", "vtt")


def seen(made: Timeline, *, notes: bool) -> list[tuple[Any, ...]]:
    """What a format holds of a timeline: utterances with a time."""
    return sorted(
        (one.segment, one.id, one.speaker or "", one.text or "", guess.label or "", one.meta.get("note", "") * notes)
        for one, guess in made
        if one.segment
    )


@st.composite
def corrections(draw: Any, made: Timeline) -> Timeline:
    """Changes such as people make in a file: one of each kind at most for each utterance with a time."""
    for one in made.corrected.utterances:
        if one.segment is None:
            continue
        start = draw(st.integers(0, 9_000))
        times = Retime(one.id, start / 1000, (start + draw(st.integers(1, 900))) / 1000)
        label = Relabel(one.id, draw(st.one_of(st.none(), st.sampled_from(EKMAN7))))
        words = Rewrite(one.id, draw(st.sampled_from(["No.", "He said: yes & no", "=1+1", "-->x, <b>"])))
        who = Assign(one.id, draw(st.sampled_from(["Speaker 1", "Anna", "Ben Li"])))
        chosen = draw(st.lists(st.sampled_from([times, label, words, who]), unique=True))
        made = edits.edited(made, *chosen, by="Eve", at="2026-01-02T03:04:05Z")
    return made


@pytest.mark.parametrize("extension", EXACT)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(data=st.data())
def test_corrections_come_back_exactly(extension: str, tmp_path_factory: Any, data: st.DataObject) -> None:
    made = data.draw(edited(talk()))
    corrected = data.draw(corrections(made))
    path = formats.write(corrected.corrected, tmp_path_factory.mktemp("r") / f"t.{extension}")
    found = edits.edited(made, *changes_in(path, made), by="Eve")
    notes = extension not in ("eaf", "vtt")
    assert seen(found.corrected, notes=notes) == seen(corrected.corrected, notes=notes)


@pytest.mark.parametrize("extension", EXACT)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(made=timelines())
def test_a_file_that_nobody_changed_has_no_correction(extension: str, tmp_path_factory: Any, made: Timeline) -> None:
    if any(one.segment for one in made.utterances):
        path = formats.write(made, tmp_path_factory.mktemp("r") / f"t.{extension}")
        assert changes_in(path, made) == []


def rewritten(path: Path, change: Any) -> Path:
    rows = list(csv.DictReader(io.StringIO(path.read_text("utf-8"), newline="")))
    change(rows)
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_table_as_a_german_spreadsheet_saves_it(tmp_path: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        for row in rows:
            row.update({name: row[name].replace(".", ",") for name in ("start", "end", "confidence")})
        rows[0]["label"], rows[1]["label"], rows[2]["label"] = "sadness", "fear", ""
        rows[0]["speaker"] = rows[2]["speaker"] = "Anna"

    path = rewritten(formats.write(talk(), tmp_path / "t.csv"), change)
    assert changes_in(path, talk()) == [
        Rename("Speaker 1", "Anna"),
        Relabel("u1", "sadness"),
        Relabel("u2", "fear"),
        Relabel("u3", None),
    ]


def test_a_workbook_with_a_note_and_other_words(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "t.xlsx")
    book = openpyxl.load_workbook(path)
    sheet = book.active
    sheet["E2"], sheet["C3"] = "How very odd!", 3.5
    column = sheet.max_column + 1
    sheet.cell(1, column, "note")
    sheet.cell(2, column, "laughs")
    book.save(path)
    assert changes_in(path, talk()) == [Rewrite("u1", "How very odd!"), Note("u1", "laughs"), Retime("u2", 2.0, 3.5)]


def test_labels_on_either_tier_of_elan_count(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "t.eaf")
    eaf = Eaf(str(path))
    eaf.add_ref_annotation("corrected label@Speaker 2", "Speaker 2", 2500, "fear")
    eaf.remove_ref_annotation("predicted label@Speaker 1", 700)
    eaf.to_file(str(path))
    assert changes_in(path, talk()) == [Relabel("u1", None), Relabel("u2", "fear")]


def test_some_utterances_of_a_speaker_are_given_to_another(tmp_path: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rows[0]["speaker"], rows[1]["speaker"] = "Anna", "Speaker 3"

    path = rewritten(formats.write(talk(), tmp_path / "t.csv"), change)
    assert changes_in(path, talk()) == [Assign("u1", "Anna"), Assign("u2", "Speaker 3")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows.pop(1), "t.csv lacks the utterance 'u2' of the results: expected all of them"),
        (lambda rows: rows[1].update(id="u7"), "t.csv has the utterance 'u7', which the results do not have"),
        (lambda rows: rows[1].update(speaker=""), "utterance u2 has lost its speaker 'Speaker 2': expected a name"),
        (lambda rows: rows[1].update(end="1"), "utterance u2 has lost its times, or they are not usable"),
    ],
)
def test_what_cannot_be_taken_over_says_why(tmp_path: Path, change: Any, message: str) -> None:
    path = rewritten(formats.write(talk(), tmp_path / "t.csv"), change)
    with pytest.raises(InputError, match=message):
        changes_in(path, talk())


def test_formats_without_ids_are_refused(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "t.srt")
    with pytest.raises(InputError, match=r"t\.srt has no ids of utterances .*expected one of \.csv, \.eaf"):
        changes_in(path, talk())
