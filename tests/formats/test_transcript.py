"""Transcripts through every writer."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from merc import formats
from merc.conversation import Conversation, Segment, Utterance, Word
from merc.errors import InputError

WORDS = (Word("No", Segment(1.5, 1.75)), Word("way!", Segment(1.75, 2.0), 0.5))
TALK = Conversation(
    "talk",
    (
        Utterance("a", "Ann", "How nice!", Segment(0.5, 1.5), label="joy", meta={"comment": "laughs"}),
        Utterance("b", "Ben", "No way!", Segment(1.5, 2.0), WORDS),
        Utterance("c", "Ann", "Yes: really.", Segment(2.25, 3.0)),
    ),
)
STAMPED = ("txt", "docx")  # formats with starts to the second and no ends
WHOLE = [name for name in formats.WRITERS if name != "html"]


def said(found: Any) -> list[tuple[str | None, str | None, Segment | None]]:
    return [(one.speaker, one.text, one.segment) for one in found]


@pytest.mark.parametrize("extension", WHOLE)
def test_a_transcript_is_written_and_read(tmp_path: Path, extension: str) -> None:
    found = formats.read(formats.write(TALK, tmp_path / f"talk.{extension}"))
    assert isinstance(found, Conversation)
    if extension in STAMPED:
        assert [(one.speaker, one.text, one.segment.start) for one in found] == [
            ("Ann", "How nice!", 0.0),
            ("Ben", "No way!", 1.0),
            ("Ann", "Yes: really.", 2.0),
        ]
    else:
        assert said(found) == [(one.speaker, None if extension == "rttm" else one.text, one.segment) for one in TALK]
    assert not any({"predicted", "corrected", "confidence"} & set(one.meta) for one in found)


@pytest.mark.parametrize("extension", ["json", "csv", "parquet", "xlsx", "eaf"])
def test_ids_and_annotated_labels_are_kept(tmp_path: Path, extension: str) -> None:
    found = formats.read(formats.write(TALK, tmp_path / f"talk.{extension}"))
    assert [(one.id, one.label) for one in found] == [("a", "joy"), ("b", None), ("c", None)]


def test_json_keeps_everything(tmp_path: Path) -> None:
    found = formats.read(formats.write(TALK, tmp_path / "talk.json"))
    assert found.utterances == TALK.utterances


@pytest.mark.parametrize("first, second", list(itertools.permutations([*WHOLE, "tsv"], 2)))
def test_any_transcript_becomes_any_other(tmp_path: Path, first: str, second: str) -> None:
    if "tsv" in (first, second):
        path = formats.write(TALK, tmp_path / "talk.csv").rename(tmp_path / "talk.tsv")
        second = "csv" if second == "tsv" else second
        one = formats.read(path)
    else:
        one = formats.read(formats.write(TALK, tmp_path / f"talk.{first}"))
    path = formats.write(one, tmp_path / f"other.{second}")
    if (first, second) == ("rttm", "textgrid"):
        assert path.read_text().count("xmin = 2.250"), "turns without words are intervals without text"
        return
    other = formats.read(path)
    if second in STAMPED:
        assert [(a.speaker, a.text, a.segment.start) for a in other] == [
            (b.speaker, b.text, int(b.segment.start)) for b in one
        ]
    else:
        assert said(other) == [(b.speaker, None if second == "rttm" else b.text, b.segment) for b in one]


def test_a_transcript_without_times_says_which_formats_hold_it(tmp_path: Path) -> None:
    (tmp_path / "talk.txt").write_text("Ann: How nice!\nBen: No way!\n")
    talk = formats.read(tmp_path / "talk.txt")
    with pytest.raises(InputError, match="no utterance of talk has a time, which srt needs: write csv, json or txt"):
        formats.write(talk, tmp_path / "talk.srt")
    assert formats.write(talk, tmp_path / "again.txt").read_text() == "Ann: How nice!\nBen: No way!\n"
    assert said(formats.read(formats.write(talk, tmp_path / "talk.csv"))) == said(talk)


def test_a_report_needs_predictions(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="talk is a transcript without predictions: analyse the recording"):
        formats.write(TALK, tmp_path / "talk.html")


def test_subtitles_of_a_transcript_have_no_tags(tmp_path: Path) -> None:
    talk = Conversation("talk", (Utterance("a", None, "Hi.", Segment(0, 1)),))
    assert formats.write(talk, tmp_path / "t.srt").read_text() == "1\n00:00:00,000 --> 00:00:01,000\nHi.\n"
