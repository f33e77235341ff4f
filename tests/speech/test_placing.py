"""Utterances and words that were not recognised: where they are placed, and when they are not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from merc.conversation import Segment, Utterance, Word
from merc.speech.placing import Line, fill, place_between


def line(text: str, *, segment: Segment | None = None, recognised: dict[int, Segment] | None = None) -> Line:
    return Line(Utterance("u", text=text), text.split(), None, segment, recognised or {}, len(recognised or {}))


def placed(lines: Sequence[Line], speech: Sequence[Segment] = (), duration: float = 20.0) -> list[tuple[int, str]]:
    notes: list[tuple[int, str]] = []
    place_between(lines, speech, duration, lambda number, what: notes.append((number, what)))
    return notes


def test_a_line_is_placed_around_its_recognised_words_with_room_for_the_others() -> None:
    one = line("well then we go", recognised={2: Segment(5, 5.2), 3: Segment(5.3, 5.6)})
    assert placed([one], [Segment(0, 20)]) == []
    assert one.segment is not None and one.segment.end == 5.6
    assert one.segment.start == pytest.approx(5 - 0.07 * len("well then "), abs=1e-6)


def test_room_ends_with_the_region_of_speech() -> None:
    one = line("well then we go", recognised={2: Segment(5, 5.2), 3: Segment(5.3, 5.6)})
    placed([one], [Segment(4.6, 9)])
    assert one.segment == Segment(4.6, 5.6)


def test_lines_between_neighbours_share_the_free_speech_by_characters() -> None:
    lines = [line("a", segment=Segment(0, 2)), line("abc"), line("abcdefg"), line("b", segment=Segment(4, 6))]
    notes = placed(lines, [Segment(0, 10)])
    assert [number for number, _ in notes] == [1, 2]
    assert notes[0][1].startswith("no usable times and none of its words was recognised; placed at 2.00 to ")
    first, second = lines[1].segment, lines[2].segment
    assert first is not None and second is not None
    assert (first.start, second.end) == (2, pytest.approx(4))
    assert first.end == second.start == pytest.approx(2 + 2 * 4 / 12)


def test_pauses_between_regions_of_speech_are_skipped() -> None:
    lines = [line("a", segment=Segment(0, 1)), line("some words here"), line("b", segment=Segment(9, 10))]
    placed(lines, [Segment(0, 1.5), Segment(8.5, 10)])
    assert lines[1].segment == Segment(1, 9)  # half a second on either side of the pause


def test_without_speech_left_a_line_has_no_times() -> None:
    lines = [line("a", segment=Segment(0, 4.9)), line("b"), line("c", segment=Segment(5, 6))]
    assert placed(lines) == [
        (
            1,
            "none of its words was recognised and there is no speech left between its neighbours; left without times",
        )
    ]
    assert lines[1].segment is None


def test_with_far_too_much_speech_a_place_would_be_arbitrary() -> None:
    lines = [line("come in", recognised={0: Segment(0, 0.2), 1: Segment(0.2, 0.4)}), line("b")]
    notes = placed(lines, [Segment(0, 20)])
    assert "it could be anywhere between them" in notes[0][1]
    assert lines[1].segment is None


def test_a_line_without_words_says_so() -> None:
    assert placed([line("")]) == [(0, "it has neither usable times nor spoken words; left without times")]


def test_words_fill_the_gaps_between_recognised_ones() -> None:
    times = fill(["a", "bb", "c"], {0: Segment(1, 1.2), 2: Segment(2, 2.5)}, Segment(0.5, 3))
    assert times == [Segment(1, 1.2), Segment(1.2, 2), Segment(2, 2.5)]


def test_words_at_the_ends_take_no_longer_than_speech_does() -> None:
    times = fill(["a", "bb", "c"], {1: Segment(5, 5.5)}, Segment(0, 10))
    assert times[0].start == pytest.approx(5 - 0.14)
    assert times[2].end == pytest.approx(5.5 + 0.14)


def test_given_word_times_are_kept_inside_the_segment() -> None:
    words = (Word("a", Segment(0, 1)), Word("b", Segment(1, 2)))
    one = Line(Utterance("u", words=words), ["a", "b"], segment=Segment(0.5, 2))
    assert [word.segment for word in one.keep([(0, 1), (1, 3)])] == [Segment(0.5, 1), Segment(1, 2)]
    assert Line(Utterance("u", words=words), ["a", "b"]).keep([(0, 1), (1, 2)]) == ()
