"""Turns of the user without words: RTTM, and tables of times and speakers."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import formats
from merc.conversation import Conversation, Segment, Utterance, Word
from merc.pipeline.given_turns import given_turns, holds_turns_alone


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "call.rttm",
            "SPEAKER call 1 0.9 3.0 <NA> <NA> Ada <NA> <NA>\nSPEAKER call 1 3.5 2.0 <NA> <NA> Ben <NA> <NA>\n"
            "SPEAKER call 1 9.0 3.0 <NA> <NA> Ada <NA> <NA>\nSPEAKER call 1 11.0 1.0 <NA> <NA> Ben <NA> <NA>\n",
        ),
        ("call.csv", "speaker,start,end\nAda,0.9,3.9\nAda,9,12\nBen,3.5,5.5\nBen,11,12\n"),
    ],
)
def test_turns_are_the_files_and_cut_at_the_end(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    read = formats.read(tmp_path / name)
    assert isinstance(read, Conversation)
    given = given_turns(read, duration=10.0)
    assert given is not None
    assert given.names == ("Ada", "Ben")
    assert [(turn.speaker, turn.segment) for turn in given.turns] == [
        (0, Segment(0.9, 3.9)),
        (1, Segment(3.5, 5.5)),
        (0, Segment(9.0, 10.0)),
    ]
    assert given.overlaps == (Segment(3.5, 3.9),)
    assert given.notes[-2:] == (
        "who speaks when is that of call; the words are recognised",
        "1 of 4 given turns lie past the end of the recording, 10.00 s",
    )


def test_names_are_those_of_the_voices() -> None:
    talk = Conversation("t", (Utterance("a", None, None, Segment(0, 1)), Utterance("b", "Ann", None, Segment(1, 2))))
    given = given_turns(talk, duration=2.0)
    assert given is not None
    words = [Word("Hi.", Segment(0.1, 0.9)), Word("No.", Segment(1.1, 1.9))]
    _, _, voices, spoken = given.spoken(words, [Segment(0, 2)])
    assert voices == [0, 1]
    assert [(one.speaker, one.text) for one in spoken] == [(None, "Hi."), ("Ann", "No.")]


def test_a_transcript_with_words_or_without_times_has_no_turns() -> None:
    assert not holds_turns_alone(Conversation("t", (Utterance("a", "Ann", "Hi.", Segment(0, 1)),)))
    assert not holds_turns_alone(Conversation("t", (Utterance("a", "Ann", None),)))
    assert given_turns(None, duration=1.0) is None
