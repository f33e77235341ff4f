"""Word: what is written, how documents of others are read, and what is refused."""

from __future__ import annotations

import io
import sys
import zipfile
from pathlib import Path
from typing import Any

import docx
import pytest
from hypothesis import given, settings

from merc import formats
from merc.conversation import Segment, Timeline, Utterance
from merc.errors import FormatError, MissingExtra
from tests.formats.made_timelines import sample, timeline, timelines


def document(path: Path, *paragraphs: str, rows: tuple[tuple[str, ...], ...] = ()) -> Path:
    made = docx.Document()
    for text in paragraphs:
        made.add_paragraph(text)
    if rows:
        table = made.add_table(len(rows), len(rows[0]))
        for place, row in enumerate(rows):
            for cell, text in zip(table.rows[place].cells, row, strict=True):
                cell.text = text
    made.save(path)
    return path


def test_a_document_holds_the_paragraphs_of_plain_text_with_bold_names(tmp_path: Path) -> None:
    made = docx.Document(formats.write(sample(), tmp_path / "t.docx"))
    plain = formats.write(sample(), tmp_path / "t.txt").read_text("utf-8")
    assert "".join(f"{one.text}\n" for one in made.paragraphs) == plain
    assert [run.text for run in made.paragraphs[0].runs if run.bold] == ["Anna: "]
    assert made.core_properties.title == "call.mp4"


@settings(max_examples=15, deadline=None, derandomize=True)
@given(made=timelines())
def test_word_keeps_what_plain_text_keeps(tmp_path_factory: Any, made: Timeline) -> None:
    folder = tmp_path_factory.mktemp("x")
    lines = [one.text for one in docx.Document(formats.write(made, folder / "t.docx")).paragraphs]
    assert lines == formats.write(made, folder / "t.txt").read_text("utf-8").split("\n")[:-1]


def test_what_xml_cannot_hold_is_replaced(tmp_path: Path) -> None:
    made = timeline(Utterance("u1", "A\0", "a\x01b\ud800", Segment(0, 1)))
    assert "a\ufffdb\ufffd" in docx.Document(formats.write(made, tmp_path / "t.docx")).paragraphs[0].text


def test_paragraphs_and_line_breaks_are_lines(tmp_path: Path) -> None:
    path = document(tmp_path / "t.docx", "Ann Lee  0:04\nHow nice!", "Ben  0:09\nIs it?")
    assert [(one.speaker, one.text, one.segment and one.segment.start) for one in formats.read(path)] == [
        ("Ann Lee", "How nice!", 4.0),
        ("Ben", "Is it?", 9.0),
    ]
    assert formats.read(path).meta["format"] == "docx"


@pytest.mark.parametrize(
    "rows",
    [
        (("Start", "End", "Speaker", "Text"), ("0:04", "0:06", "Ann", "How nice!"), ("0:09", "0:10", "Ben", "Is it?")),
        (("00:00:04", "Ann", "How nice!"), ("00:00:09", "Ben", "Is it?")),
    ],
)
def test_rows_of_a_table_are_utterances(tmp_path: Path, rows: tuple[tuple[str, ...], ...]) -> None:
    found = formats.read(document(tmp_path / "t.docx", "Interview", rows=rows))
    assert [(one.speaker, one.text, one.segment and one.segment.start) for one in found] == [
        ("Ann", "How nice!", 4.0),
        ("Ben", "Is it?", 9.0),
    ]


def test_what_is_no_transcript_says_why(tmp_path: Path) -> None:
    (tmp_path / "no.docx").write_bytes(b"PK\x03\x04 no")
    with pytest.raises(FormatError, match=r"no\.docx is not a Word document \(.*check that it was exported"):
        formats.read(tmp_path / "no.docx")
    (tmp_path / "text.docx").write_text("1\n00:00:01,000 --> 00:00:02,000\nHi.\n")
    with pytest.raises(FormatError, match=r"it looks like SubRip: rename it to text\.srt"):
        formats.read(tmp_path / "text.docx")
    with pytest.raises(FormatError, match=r"empty\.docx has no text: expected a transcript"):
        formats.read(document(tmp_path / "empty.docx", "", " "))
    with pytest.raises(FormatError, match=r"talk\.odt is a text document that merc does not read: save it as \.docx"):
        formats.read(tmp_path / "talk.odt")


@pytest.mark.parametrize("extension", ["docx", "xlsx"])
def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path, extension: str) -> None:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w") as part:
        for _ in range(257):
            part.write(bytes(2**20))
    (tmp_path / f"bomb.{extension}").write_bytes(raw.getvalue())
    with pytest.raises(FormatError, match="unpacks to 257 MiB: expected a document of at most 256 MiB"):
        formats.read(tmp_path / f"bomb.{extension}")


def test_without_python_docx_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = document(tmp_path / "t.docx", "Ann: Hi.")
    monkeypatch.setitem(sys.modules, "docx", None)
    with pytest.raises(MissingExtra, match=r"pip install 'merc\[docx\]', or save the document as \.txt"):
        formats.read(path)
