from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.conversation import Segment, Word
from merc.speech.words import lengthened, onto_speech, ordered, spread, unlooped

instants = st.floats(-5, 40, allow_nan=False)
within = st.tuples(st.floats(0, 20), st.floats(0.01, 20)).map(lambda p: Segment(p[0], p[0] + p[1]))


@settings(deadline=None)
@given(st.lists(st.tuples(instants, instants), max_size=60), within)
def test_in_order_times_are_ordered_apart_and_inside(times, window):
    settled = ordered(times, window)
    assert len(settled) == len(times)
    assert all(a.end <= b.start for a, b in pairwise(settled))
    assert all(window.start <= s.start < s.end <= window.end for s in settled)


def test_times_that_are_right_stay():
    times = [(1.0, 1.2), (1.2, 1.5), (2.0, 2.4)]
    assert [(s.start, s.end) for s in ordered(times, Segment(0.5, 3))] == times


def test_longer_words_get_more_time():
    short, long = spread(["a", "considerable"], Segment(10, 11.5))
    assert (short.start, long.end) == (10, 11.5)
    assert long.duration > 6 * short.duration


def test_words_are_cut_to_the_speech_in_which_they_were_said():
    speech = [Segment(1, 2), Segment(4, 5), Segment(9, 10)]
    words = [
        Word("first", Segment(0.0, 1.4), 0.9),  # begins with the window, not with the voice
        Word("then", Segment(1.9, 4.3), 0.9),  # stretched over the pause in front of it
        Word("near", Segment(5.1, 5.25), 0.9),
        Word("invented", Segment(6.5, 8), 0.9),
    ]
    kept = onto_speech(words, speech, slack=0.3)
    assert [(w.text, w.segment.start, w.segment.end) for w in kept] == [
        ("first", 1, 1.4),
        ("then", 4, 4.3),
        ("near", 5.1, 5.25),
    ]


def test_without_speech_no_word_remains():
    assert onto_speech([Word("you", Segment(0, 1))], [], slack=0.3) == []


def test_a_word_of_a_single_step_gets_the_free_time_around_it() -> None:
    region = [Segment(0, 5), Segment(5.5, 9)]
    words = [Word("was", Segment(4.0, 4.5)), Word("So", Segment(4.6, 4.62)), Word("what", Segment(5.6, 6.0))]
    found = lengthened(words, region)
    assert [(w.segment.start, w.segment.end) for w in found] == [(4.0, 4.5), (4.6, pytest.approx(4.81)), (5.6, 6.0)]


def test_a_short_word_grows_neither_into_its_neighbours_nor_out_of_the_speech() -> None:
    words = [Word("a", Segment(1.0, 1.9)), Word("well", Segment(1.98, 2.0)), Word("b", Segment(2.0, 2.4))]
    assert [(w.segment.start, w.segment.end) for w in lengthened(words, [Segment(1, 3)])][1] == (1.9, 2.0)
    (last,) = lengthened([Word("yes", Segment(2.98, 3.0))], [Segment(2.9, 3.0)])
    assert last.segment == Segment(2.9, 3.0)
    assert lengthened(words[:1], []) == words[:1]


def test_loops_are_cut_and_ordinary_repetition_stays():
    def said(text: str) -> list[Word]:
        return [Word(w, Segment(n, n + 1)) for n, w in enumerate(text.split())]

    assert len(unlooped(said("no no no no"))) == 4
    assert len(unlooped(said("Wendy! Wendy, Wendy. " * 20))) == 4
    assert len(unlooped(said("a bit of " * 30))) == 12
    assert len(unlooped(said("one two three four five six seven"))) == 7
