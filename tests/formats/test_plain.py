"""Plain text: one utterance per line."""

from __future__ import annotations

from pathlib import Path

from merc import formats
from merc.conversation import Segment, Utterance
from tests.formats.made_timelines import prediction, sample, timeline


def test_plain_text_has_speakers_but_no_times(tmp_path: Path):
    (tmp_path / "call.txt").write_text("Anna: Hello.\n\nBEN: Hi: there\nand then he said: no\n  Anna:\n")
    found = formats.read(tmp_path / "call.txt")
    assert [(one.id, one.speaker, one.text, one.segment) for one in found] == [
        ("u1", "Anna", "Hello.", None),
        ("u2", "BEN", "Hi: there", None),
        ("u3", None, "and then he said: no", None),
        ("u4", "Anna", None, None),
    ]


def test_paragraphs_start_with_a_stamp_as_tools_for_text_analysis_read_it(tmp_path: Path):
    path = formats.write(sample(), tmp_path / "t.txt")
    assert path.read_text("utf-8") == (
        "[00:00:00] Anna: I can't believe it! [joy .71]\n"
        '[00:00:01] Ben <b>: He said "no" & left [? joy .38]\n'
        "[00:00:03] … [? .00]\n"
        "Anna: nobody knows when [anger 1.00]\n"
    )


def test_stamps_count_hours_and_texts_are_one_line(tmp_path: Path):
    made = timeline(Utterance("u1", "Ann", "a\n\n b", Segment(3_725.9, 3_726)), predictions=(prediction(None, 0.4),))
    assert formats.write(made, tmp_path / "t.txt").read_text() == "[01:02:05] Ann: a b [? joy .40]\n"


def test_the_labels_behind_texts_are_read_back(tmp_path: Path):
    found = formats.read(formats.write(sample(), tmp_path / "t.txt"))
    assert (found.utterances[0].text, found.utterances[0].meta["predicted"]) == ("I can't believe it!", "joy")
