"""Speaker names inside the text of a transcript."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import formats
from merc.formats.speakers import split_speakers, split_turns


def test_a_colon_alone_makes_no_speaker(tmp_path: Path):
    (tmp_path / "call.txt").write_text("It rained.\nNote: it was cold.\nWe left.\nGOD: no\nSee http://x.org\n")
    assert [one.speaker for one in formats.read(tmp_path / "call.txt")] == [None, None, None, "GOD", None]


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["ANN: Hello.", "Well."], [("ANN", "Hello."), (None, "Well.")]),  # capitals
        (
            ["Ann: Hello.", "a", "b", "Ann: Hi."],
            [("Ann", "Hello."), (None, "a"), (None, "b"), ("Ann", "Hi.")],
        ),  # recurs
        (["ann: Hello.", "ben: Hi."], [("ann", "Hello."), ("ben", "Hi.")]),  # a single word, and all texts have one
        (["[Ann] Hello.", "[music] la", "[Ann] Hi."], [("Ann", "Hello."), (None, "[music] la"), ("Ann", "Hi.")]),
    ],
)
def test_the_whole_file_decides_what_a_speaker_is(texts: list[str], expected: list[tuple[str | None, str]]):
    assert split_speakers(texts) == expected


def test_chevrons_change_the_speaker_and_names_go_on(tmp_path: Path):
    cues = [
        ">> ANN: Hello.",
        "How are you?",
        ">> BEN (on the phone): Fine. >>> Good evening.",
        "It is late.",
        "&gt;&gt; Who?",
    ]
    text = "".join(f"{n}\n00:00:0{n},000 --> 00:00:0{n},900\n{cue}\n\n" for n, cue in enumerate(cues, 1))
    (tmp_path / "a.srt").write_text(text)
    assert [(one.speaker, one.text) for one in formats.read(tmp_path / "a.srt")] == [
        ("ANN", "Hello."),
        ("ANN", "How are you?"),
        ("BEN", "Fine."),
        (None, "Good evening."),
        (None, "It is late."),
        (None, "Who?"),
    ]


def test_chevrons_in_plain_text(tmp_path: Path):
    (tmp_path / "a.txt").write_text(">> ANN: Hello.\n>> BEN: Hi.\n— No.\n-5 degrees\n")
    assert [(one.speaker, one.text) for one in formats.read(tmp_path / "a.txt")] == [
        ("ANN", "Hello."),
        ("BEN", "Hi."),
        (None, "No."),
        (None, "-5 degrees"),
    ]


def test_turns_start_with_a_dash():
    assert split_turns("- Hello.\n– Hi.") == ["Hello.", "Hi."]
    assert split_turns("- Hello.") == ["Hello."]
    assert split_turns("Well - hello.\n- Hi.") == ["Well - hello.\n- Hi."]
