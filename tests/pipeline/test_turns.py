from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc import MercError, Segment
from merc.conversation import Word
from merc.pipeline.turns import TurnOptions, nearest_voice, unplaced, utterances


@dataclass(frozen=True)
class Voice:
    speaker: int
    segment: Segment


def say(text: str, *, start: float = 0.0, each: float = 0.3, gap: float = 0.05) -> list[Word]:
    words = []
    for token in text.split():
        words.append(Word(token, Segment(start, start + each)))
        start += each + gap
    return words


def texts(words: list[Word], turns: list[Voice], **options: float) -> list[str | None]:
    return [u.text for u in utterances(words, turns, options=TurnOptions(**options))[0]]


ALL = [Voice(0, Segment(0, 100))]


def test_an_utterance_ends_with_its_sentence() -> None:
    assert texts(say("I was there for you. You left early today."), ALL) == [
        "I was there for you.",
        "You left early today.",
    ]


def test_an_utterance_ends_where_the_voice_changes() -> None:
    words = say("one two three four", each=0.5, gap=0.0)
    turns = [Voice(0, Segment(0, 1)), Voice(1, Segment(1, 2))]
    found, voices = utterances(words, turns)
    assert [u.text for u in found] == ["one two", "three four"]
    assert voices == [0, 1]


def test_an_utterance_ends_at_a_pause() -> None:
    assert texts(say("well I") + say("never mind", start=2.0), ALL) == ["well I", "never mind"]


def test_a_very_short_sentence_stays_with_the_next_unless_a_pause_lies_between() -> None:
    assert texts(say("No. I will not do that."), ALL) == ["No. I will not do that."]
    assert texts(say("No.") + say("I will not do that.", start=3.0), ALL) == ["No.", "I will not do that."]


def test_a_short_answer_is_not_joined_to_the_sentence_of_the_next_speaker() -> None:
    words = say("no I will not do that", each=0.3, gap=0.0)
    turns = [Voice(1, Segment(0, 0.3)), Voice(0, Segment(0.3, 2.0))]
    found, voices = utterances(words, turns)
    assert ([u.text for u in found], voices) == (["no", "I will not do that"], [1, 0])


@pytest.mark.parametrize(
    ("each", "start", "end", "count"),
    [(0.15, 0.0, 0.15, 1), (0.3, 0.0, 0.3, 2), (0.3, 0.6, 0.9, 1), (0.3, 0.6, 1.2, 3)],
)
def test_another_voice_counts_from_a_shorter_length_at_the_ends_of_a_sentence(
    each: float, start: float, end: float, count: int
) -> None:
    turns = [Voice(0, Segment(0, 9)), Voice(1, Segment(start, end))]
    if start == 0:
        turns[0] = Voice(0, Segment(end, 9))
    else:
        turns = [Voice(0, Segment(0, start)), turns[1], Voice(0, Segment(end, 9))]
    assert len(utterances(say("a b c d e f", each=each, gap=0.0), turns)[0]) == count


def test_an_abbreviation_ends_no_sentence() -> None:
    assert texts(say("Yesterday we called on Mr. Smith about it."), ALL) == [
        "Yesterday we called on Mr. Smith about it."
    ]


def test_one_short_word_of_another_voice_inside_a_sentence_is_taken_for_an_error() -> None:
    words = say("we went up the hill", each=0.3, gap=0.0)
    turns = [Voice(0, Segment(0, 0.6)), Voice(1, Segment(0.6, 0.9)), Voice(0, Segment(0.9, 2))]
    assert texts(words, turns) == ["we went up the hill"]


def test_a_long_sentence_is_cut_at_its_widest_gap() -> None:
    words = say("a b c d") + say("e f g h", start=1.8)
    assert texts(words, ALL, longest=2.0) == ["a b c d", "e f g h"]


def test_speech_without_words_is_an_utterance_of_each_voice_in_it() -> None:
    turns = [Voice(0, Segment(0, 4)), Voice(1, Segment(4, 6))]
    found, voices = utterances(say("hello to you all"), turns, speech=[Segment(0, 1.8), Segment(3, 6), Segment(9, 9.3)])
    spans = [(u.text, u.segment.start, u.segment.end) for u in found if u.segment]
    assert spans == [("hello to you all", 0.0, pytest.approx(1.35)), (None, 3, 4), (None, 4, 6)]
    assert voices == [0, 0, 1]


def test_words_in_the_middle_leave_the_speech_around_them() -> None:
    words = say("hello to you all", start=2.0)
    found, voices = utterances(words, [Voice(3, Segment(0, 6))], speech=[Segment(0, 6)])
    assert [(u.text, u.segment.start) for u in found if u.segment] == [
        (None, 0),
        ("hello to you all", 2.0),
        (None, pytest.approx(3.35)),
    ]
    assert voices == [3, 3, 3]


def test_less_is_left_out_beside_words_than_in_a_region_of_its_own() -> None:
    found, _ = utterances(say("hello to you all"), ALL, speech=[Segment(0, 2.0), Segment(3, 3.6)])
    assert [(u.text, u.segment.start) for u in found if u.segment] == [("hello to you all", 0), (None, 3)]


def test_what_is_too_short_for_an_utterance_is_said() -> None:
    speech = [Segment(0, 2.0), Segment(3, 3.4), Segment(5, 5.3)]
    found, _ = utterances(say("hello to you all"), ALL, speech=speech)
    assert unplaced(found, speech) == [
        "0.7 s of detected speech are in no utterance: a stretch without words"
    ]  # less is what the detector hears around words
    assert unplaced(found, [Segment(0, 1.5)]) == []


def test_a_word_far_from_every_voice_follows_the_word_before() -> None:
    words = say("hello") + say("there", start=9.0)
    assert utterances(words, [Voice(4, Segment(0, 1))])[1] == [4, 4]


def test_no_turns_leave_the_voice_unknown() -> None:
    assert utterances(say("hello there"), [])[1] == [None]


@pytest.mark.parametrize(("reach", "voice"), [(0.5, None), (2.0, 7)])
def test_the_nearest_voice_must_be_within_reach(reach: float, voice: int | None) -> None:
    assert nearest_voice(Segment(2, 3), [Voice(7, Segment(0, 1))], reach=reach) == voice


def test_options_say_what_is_wrong() -> None:
    with pytest.raises(MercError, match="turns: pause is -1: expected more than 0 seconds"):
        TurnOptions(pause=-1)


@given(
    st.lists(
        st.tuples(st.floats(0.05, 1.5), st.floats(0, 2), st.sampled_from(["so", "yes.", "why?", "well"])), max_size=40
    ),
    st.lists(st.tuples(st.floats(0.1, 8), st.integers(0, 3)), max_size=12),
)
def test_every_word_is_in_one_utterance_in_order_and_each_has_one_voice(
    spoken: list[tuple[float, float, str]], voices: list[tuple[float, int]]
) -> None:
    words, clock = [], 0.0
    for length, gap, text in spoken:
        words.append(Word(text, Segment(clock + gap, clock + gap + length)))
        clock += gap + length
    turns, clock = [], 0.0
    for length, speaker in voices:
        turns.append(Voice(speaker, Segment(clock, clock + length)))
        clock += length
    found, numbers = utterances(words, turns)
    assert [word for utterance in found for word in utterance.words] == words
    assert len(numbers) == len(found)
    assert [u.segment.start for u in found] == sorted(u.segment.start for u in found)
    assert len({u.id for u in found}) == len(found)
