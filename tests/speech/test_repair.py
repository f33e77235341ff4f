"""Given times that cannot be: what is repaired, what is dropped, and the note of each."""

from __future__ import annotations

import math

import pytest

from merc.conversation import Segment, Utterance, Word
from merc.speech.repair import raw_times, separate, valid_segment


def repaired(start: float, end: float, duration: float = 10.0) -> tuple[Segment | None, list[str]]:
    notes: list[str] = []
    return valid_segment((start, end), duration, notes.append), notes


@pytest.mark.parametrize(
    ("times", "segment", "note"),
    [
        ((1, 2), Segment(1, 2), None),
        ((3, 1), Segment(1, 3), "given times 3 to 1 s are reversed; they were swapped"),
        ((90, 1), None, "given times 90 to 1 s are reversed; they were dropped"),
        ((2, 2), None, "given times 2 to 2 s span no time; they were dropped"),
        ((-3, -1), None, "given times -3 to -1 s lie before the recording; they were dropped"),
        ((11, 12), None, "given times 11 to 12 s lie past its end, 10 s; they were dropped"),
        ((-1, 2), Segment(0, 2), "given times -1 to 2 s begin before the recording; the start was set to 0"),
        ((9, 12), Segment(9, 10), "given times 9 to 12 s end past its end, 10 s; they were cut there"),
        ((9, 10.4), Segment(9, 10), None),  # rounding
        ((math.nan, 2), None, "given times nan to 2 s are not finite; they were dropped"),
    ],
)
def test_times(times: tuple[float, float], segment: Segment | None, note: str | None) -> None:
    assert repaired(*times) == (segment, [note] if note else [])


def test_raw_times_come_from_the_segment_the_reader_or_the_words() -> None:
    words = (Word("a", Segment(1, 2)), Word("b", Segment(3, 4)))
    assert raw_times(Utterance("u", segment=Segment(5, 6), words=words)) == (5, 6)
    assert raw_times(Utterance("u", meta={"times": (9, 3)}, words=words)) == (9.0, 3.0)
    assert raw_times(Utterance("u", words=words, meta={"times": (9, None)})) == (1, 4)
    assert raw_times(Utterance("u")) is None


def apart(*rows: tuple[str | None, Segment | None]) -> tuple[list[Segment | None], list[tuple[int, str]]]:
    notes: list[tuple[int, str]] = []
    utterances = [Utterance(f"u{n}", speaker=speaker) for n, (speaker, _) in enumerate(rows)]
    found = separate(utterances, [segment for _, segment in rows], lambda number, what: notes.append((number, what)))
    return found, notes


def test_different_speakers_may_overlap() -> None:
    found, notes = apart(("Ann", Segment(0, 3)), ("Bob", Segment(1, 2)))
    assert (found, notes) == ([Segment(0, 3), Segment(1, 2)], [])


def test_the_earlier_of_one_speakers_neighbours_is_cut() -> None:
    found, notes = apart(("Ann", Segment(0, 3)), ("Bob", Segment(0, 9)), ("Ann", Segment(2, 5)))
    assert found == [Segment(0, 2), Segment(0, 9), Segment(2, 5)]
    assert notes == [(0, "ended at 3 s, after the same speaker's next; cut to 2 s")]


def test_one_that_begins_with_the_last_is_moved_and_one_inside_it_is_dropped() -> None:
    found, notes = apart(("Ann", Segment(0, 3)), ("Ann", Segment(0, 5)))
    assert (found[1], notes) == (
        Segment(3, 5),
        [(1, "began at 0 s, before the same speaker's last ended; moved to 3 s")],
    )
    found, notes = apart((None, Segment(0, 3)), (None, Segment(0, 2)))
    assert (found[1], notes) == (None, [(1, "times 0 to 2 s lie inside the same speaker's last; dropped")])


def test_a_frame_of_overlap_needs_no_note() -> None:
    assert apart(("Ann", Segment(0, 2.03)), ("Ann", Segment(2, 4))) == ([Segment(0, 2), Segment(2, 4)], [])
