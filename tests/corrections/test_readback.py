"""Corrections made in files: what was changed there, and nothing else, becomes edits."""

from __future__ import annotations

import csv
import io
from itertools import chain
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pympi.Elan import Eaf

from merc import edits, formats
from merc.conversation import Segment, Timeline, Utterance
from merc.corrections import changes_in
from merc.edits import Assign, Join, Merge, Note, Relabel, Rename, Retime, Rewrite, Split, predicted_label
from merc.errors import InputError
from merc.formats import written
from tests.edits.made_edits import edited, talk
from tests.formats.made_timelines import prediction, timeline, timelines

EXACT = ("json", "csv", "xlsx", "eaf")


def seen(made: Timeline, extension: str) -> list[tuple[Any, ...]]:
    """What a file holds of a timeline; a cut can give parts other ids, and ELAN holds what has a time."""
    return sorted(
        (
            repr(one.segment),
            (one.speaker or "").strip() if extension in ("csv", "xlsx") else one.speaker or "",
            one.text or "",
            guess.label or "",
            guess.correction is not None,
            predicted_label(guess) or "",
            one.meta.get("note", ""),
        )
        for one, guess in made
        if one.segment or extension != "eaf"
    )


@pytest.mark.parametrize("extension", EXACT)
@settings(max_examples=6, deadline=None, derandomize=True)
@given(data=st.data())
def test_corrections_of_every_kind_come_back_exactly(
    extension: str, tmp_path_factory: Any, data: st.DataObject
) -> None:
    made = data.draw(edited(talk()))
    path = formats.write(made.corrected, tmp_path_factory.mktemp("r") / f"t.{extension}")
    found = edits.edited(talk(), *changes_in(path, talk()), by="Eve")
    assert seen(found.corrected, extension) == seen(made.corrected, extension)


@pytest.mark.parametrize("extension", EXACT)
@settings(max_examples=4, deadline=None, derandomize=True)
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
    assert changes_in(path, talk()) == [Merge(("Speaker 3", "Speaker 2")), Assign("u1", "Anna")]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda rows: rows.pop(1),
            "t.csv lacks the utterance 'u2' of the results, and no other has grown over",
        ),
        (lambda rows: rows[1].update(id="u7"), "t.csv has the utterance 'u7', which the results do not have"),
        (lambda rows: rows[1].update(id="u1"), "ids that are repeated or empty: expected .* such as 'u1.2' for a part"),
        (lambda rows: rows[1].update(speaker=""), "utterance u2 has lost its speaker 'Speaker 2': expected a name"),
        (lambda rows: rows[1].update(end="1"), "utterance u2 has lost its times, or they are not usable"),
    ],
)
def test_what_cannot_be_taken_over_says_why(tmp_path: Path, change: Any, message: str) -> None:
    path = rewritten(formats.write(talk(), tmp_path / "t.csv"), change)
    with pytest.raises(InputError, match=message):
        changes_in(path, talk())


def test_a_row_that_was_cut_in_a_table_is_a_cut_and_its_copied_label_is_nobodys(tmp_path: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        rows.insert(1, {**rows[0], "id": "u1.2", "start": "1.0", "text": "very nice!"})
        rows[0] |= {"end": "1.0", "text": "How"}

    path = rewritten(formats.write(talk(), tmp_path / "t.csv"), change)
    found = changes_in(path, talk())
    assert found == [Split("u1", 1.0), Rewrite("u1", "How"), Rewrite("u1.2", "very nice!")]


def test_rows_that_were_joined_in_a_table_are_joined(tmp_path: Path) -> None:
    def change(rows: list[dict[str, str]]) -> None:
        gone = rows.pop(2)
        rows[0] |= {"end": gone["end"], "text": f"{rows[0]['text']} {gone['text']}"}

    path = rewritten(formats.write(talk(), tmp_path / "t.csv"), change)
    assert changes_in(path, talk()) == [Join(("u1", "u3"))]


def test_an_annotation_that_was_cut_in_elan_is_a_cut(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "t.eaf")
    eaf = Eaf(str(path))
    eaf.remove_annotation("Speaker 2", 3000)
    eaf.add_annotation("Speaker 2", 2000, 3000, "Is it")
    eaf.add_annotation("Speaker 2", 3000, 4000, "really, now")
    eaf.add_ref_annotation("utterance id@Speaker 2", "Speaker 2", 2500, "u2")
    eaf.add_ref_annotation("note@Speaker 2", "Speaker 2", 3500, "laughs")
    eaf.to_file(str(path))
    assert changes_in(path, talk()) == [Split("u2", 3.0), Note("u2.2", "laughs")]


def test_a_label_that_confirms_the_predicted_one_or_rejects_an_abstention_is_taken_over(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "t.eaf")
    eaf = Eaf(str(path))
    eaf.add_ref_annotation("corrected label@Speaker 1", "Speaker 1", 700, "joy")
    eaf.add_ref_annotation("corrected label@Speaker 2", "Speaker 2", 2500, "no label")
    eaf.to_file(str(path))
    assert changes_in(path, talk()) == [Relabel("u1", "joy"), Relabel("u2", None)]


def test_a_timeline_that_extends_the_edits_gives_its_further_ones(tmp_path: Path) -> None:
    first = edits.edited(talk(), Rename("Speaker 1", "Anna"), by="Eve")
    further = (Split("u1", 1.0), Join(("u1", "u1.2")), Relabel("u2", "fear"))
    path = formats.write(edits.edited(first, *further, by="Max"), tmp_path / "t.json")
    assert changes_in(path, first) == list(further)
    assert changes_in(path, talk()) == [Rename("Speaker 1", "Anna"), *further]
    path.write_text(path.read_text().replace('"text": "Yes."', '"text": "No."'))
    assert Rewrite("u3", "No.") in changes_in(path, talk())


def test_the_folder_of_another_annotator_is_read_too(tmp_path: Path) -> None:
    other = edits.edited(talk(), Relabel("u2", "fear"), by="Max")
    written.save(other, tmp_path / "max.merc", formats.files(["json"]))
    assert changes_in(tmp_path / "max.merc", talk()) == [Relabel("u2", "fear")]


def test_formats_without_ids_are_refused(tmp_path: Path) -> None:
    path = formats.write(talk(), tmp_path / "t.srt")
    with pytest.raises(InputError, match=r"t\.srt has no ids of utterances .*expected one of \.csv, \.eaf"):
        changes_in(path, talk())


NASTY = (
    *('"', "'", 'a"b', "=1+1", "-x", "@home", "a;b", "a,b", "a\tb", "a\nb", "a\n\nb", "\u200bx", "İstanbul", "ß", "ﬀ"),
    *(
        "Å",
        "A\u030a",
        "日本語",
        "مرحبا",
        "👩‍👩‍👧",
        "\u202eabc",
        "#x",
        "<b>&amp;",
        "[joy .71]",
        "no label",
        "None",
        "null",
        "NaN",
    ),
    *("1", "01", "1,5", "TRUE", "...", '"quoted", text', "'=x", "''", "Ann: hi", "u1", "\\n", "%s {0}", "x\u2028y"),
)
"""Texts that one format or another has an own meaning for, that look alike, or that are read from right to left."""


@pytest.mark.parametrize("extension", EXACT)
def test_names_words_and_notes_come_back_whatever_is_in_them(extension: str, tmp_path: Path) -> None:
    said = tuple(Utterance(f"u{n}", "Speaker 1", "Yes.", Segment(n, n + 0.5)) for n in range(len(NASTY) + 1))
    before = timeline(*said, predictions=(prediction(),) * len(said))
    each = [(Assign(f"u{n}", text), Rewrite(f"u{n}", text), Note(f"u{n}", text)) for n, text in enumerate(NASTY, 1)]
    made = edits.edited(before, Rewrite("u0", ""), Relabel("u0", "fear"), *chain(*each[::2]), by="Eve")
    made = edits.edited(made, *chain(*each[1::2]), by="Max")
    path = formats.write(made.corrected, tmp_path / f"t.{extension}")
    found = edits.edited(before, *changes_in(path, before), by="Eve")
    assert seen(found.corrected, extension) == seen(made.corrected, extension)
