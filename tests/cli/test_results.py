"""The lines that the terminal shows after an analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.cli import results
from merc.conversation import Prediction, Recording, Segment, Speaker, Timeline, Utterance
from merc.execution import Row
from merc.pipeline.batch import Analysed, Request


def timeline(*labels: str | None) -> Timeline:
    said = tuple(Utterance(f"u{number}", segment=Segment(number, number + 1)) for number in range(len(labels)))
    guesses = tuple(Prediction({"joy": 1.0}, label, 0.9, label is None) for label in labels)
    recording = Recording("talk.mp4", "0" * 64, 75.4, True, False)
    return Timeline(recording, said, guesses, (Speaker("A", 3.0, False),), notes=("the video is damaged",))


def row(made: Timeline, *written: str) -> Row[Request, Analysed]:
    return Row(Request(Path("talk.mp4"), Path("talk.merc")), Analysed(made, tuple(map(Path, written))))


def test_a_recording_has_a_line_with_its_labels_by_number_its_notes_and_its_report(
    capsys: pytest.CaptureFixture[str],
) -> None:
    results.show(row(timeline("joy", "anger", "joy", None), "talk.merc/timeline.json", "talk.merc/report.html"))
    first, note, report = capsys.readouterr().out.splitlines()
    assert first.split(": ", 1)[0] == "talk.mp4"
    assert "4 utterances, 1 speaker; predicted labels: joy 2, anger 1, no label 1" in first
    assert (note, report) == ("  note: the video is damaged", "  talk.merc/report.html")


def test_without_a_report_the_folder_is_shown_and_a_failure_has_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    failed: Row[Request, Analysed] = Row(Request(Path("b.mp4"), Path("b.merc")), reason="is a text file")
    for one in (row(timeline()), failed):
        results.show(one)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "  talk.merc" and "predicted labels: none" in lines[0]
    assert "b.mp4" not in "".join(lines)
