from __future__ import annotations

import math
import time
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.conversation import Conversation, Segment, Utterance, Word
from merc.errors import InputError
from merc.speech.align import align

TEXTS = (
    "Wendy, we had a deal!",
    "Who was that?",
    "I have no waitress tonight.",
    "Oh, that is too bad.",
    "Ten dollars an hour.",
    "No, I made plans.",
)


def recognised(texts=TEXTS, start=1.0, pause=1.0) -> list[Word]:
    """Words of 0.3 s without gaps inside a text, and pauses between texts."""
    words, now = [], start
    for text in texts:
        for word in text.split():
            words.append(Word(word, Segment(now, now + 0.3), 0.9))
            now += 0.3
        now += pause
    return words


def spans(words: list[Word], texts=TEXTS) -> list[tuple[float, float]]:
    """Where each text begins and ends among the words."""
    found, first = [], 0
    for text in texts:
        count = len(text.split())
        found.append((words[first].segment.start, words[first + count - 1].segment.end))
        first += count
    return found


def transcript(texts=TEXTS, times=None, speakers=None) -> Conversation:
    utterances = []
    for number, text in enumerate(texts):
        given = times[number] if times else None
        segment, meta = None, {}
        if given and 0 <= given[0] < given[1] and math.isfinite(given[1]):
            segment = Segment(*given)
        elif given:
            meta = {"times": given}
        speaker = speakers[number] if speakers else None
        utterances.append(Utterance(f"u{number}", speaker, text, segment, meta=meta))
    return Conversation("talk", tuple(utterances))


def test_utterances_without_times_get_those_of_their_words():
    words = recognised()
    result = align(transcript(), words, duration=30)
    assert result.notes == () and result.agreement == 1.0 and result.offset == 0.0
    for utterance, (start, end) in zip(result.utterances, spans(words), strict=True):
        assert utterance.segment.start == pytest.approx(start)
        assert utterance.segment.end == pytest.approx(end)
    flat = [w for u in result.utterances for w in u.words]
    assert [w.text for w in flat] == [w.text for w in words]
    assert [w.segment.start for w in flat] == pytest.approx([w.segment.start for w in words])
    assert all(w.probability is None for w in flat)


def test_numbers_and_contractions_are_matched():
    words = [Word("$10", Segment(1, 1.6)), Word("an", Segment(1.6, 1.8)), Word("hour.", Segment(1.8, 2.2))]
    (utterance,) = align(transcript(["Ten dollars an hour."]), words, duration=5).utterances
    assert [(w.text, round(w.segment.start, 2)) for w in utterance.words] == [
        ("Ten", 1.0),
        ("dollars", 1.3),
        ("an", 1.6),
        ("hour.", 1.8),
    ]


def test_words_that_were_not_recognised_lie_between_the_others():
    words = recognised()
    del words[1:3]  # "we had"
    first = align(transcript(), words, duration=30).utterances[0]
    starts = [w.segment.start for w in first.words]
    assert starts[0] == pytest.approx(1.0) and starts[3] == pytest.approx(1.9)
    assert 1.3 <= starts[1] < starts[2] < 1.9


def test_an_unrecognised_utterance_goes_into_the_speech_between_its_neighbours():
    words = recognised()
    begin, end = spans(words)[1]
    kept = [w for w in words if not begin <= w.segment.start < end]
    speech = [Segment(start, stop) for start, stop in spans(words)]
    result = align(transcript(), kept, duration=30, speech=speech)
    assert result.utterances[1].segment.start == pytest.approx(begin)
    assert result.utterances[1].segment.end == pytest.approx(end)
    assert result.notes == (
        f"utterance 2 (u1): no usable times and none of its words was recognised; placed at {begin:.2f} to {end:.2f} s",
    )


def test_an_utterance_without_room_is_left_without_times():
    words = recognised(pause=0.05)
    texts = [*TEXTS[:2], "Something else entirely!", *TEXTS[2:]]
    result = align(transcript(texts), words, duration=30)
    assert result.utterances[2].segment is None and result.utterances[2].words == ()
    assert result.notes == (
        "utterance 3 (u2): none of its words was recognised and there is no speech left between its neighbours; "
        "left without times",
    )


@pytest.mark.parametrize(("shift", "says"), [(-2.4, "2.40 s early"), (1.5, "1.50 s late")])
def test_a_constant_offset_is_found_and_undone(shift, says):
    words = recognised(start=4.0)
    times = [(a + shift, b + shift) for a, b in spans(words)]
    result = align(transcript(times=times), words, duration=30)
    assert result.offset == pytest.approx(-shift, abs=0.1)
    assert says[-4:] in result.notes[0] and result.notes[0].endswith("throughout; all were moved")
    for utterance, (start, _) in zip(result.utterances, spans(words), strict=True):
        assert utterance.segment.start == pytest.approx(start, abs=0.1)


def test_times_that_agree_stay_to_the_digit():
    words = recognised()
    times = [(a - 0.1, b + 0.2) for a, b in spans(words)]
    result = align(transcript(times=times), words, duration=30)
    assert result.notes == ()
    assert [(u.segment.start, u.segment.end) for u in result.utterances] == times


def test_an_unordered_transcript_is_aligned_in_order_of_time():
    words = recognised()
    ordered = transcript(times=spans(words))
    backwards = Conversation("talk", ordered.utterances[::-1])
    assert align(backwards, words, duration=30).utterances == align(ordered, words, duration=30).utterances


def test_a_wrong_time_does_not_move_an_utterance_that_the_file_has_in_its_place():
    words = recognised()
    times = spans(words)
    times[4] = (20.0, 21.2)
    places = [0, 1, 2, 3, *range(5, len(times)), 4]  # as a reader sorts it
    read = transcript(times=times)
    read = Conversation("talk", tuple(read.utterances[place] for place in places), {"order": tuple(places)})
    result = align(read, words, duration=30)
    moved = next(u for u in result.utterances if u.id == "u4")
    assert moved.segment.start == pytest.approx(spans(words)[4][0])


def test_a_start_alone_gives_way_to_the_words():
    words = recognised()
    read = transcript(times=[(math.floor(start), math.floor(start) + 5.0) for start, _ in spans(words)])
    rough = tuple(replace(u, meta={"end": "estimated"}) for u in read)
    result = align(Conversation("talk", rough), words, duration=30)
    assert result.notes == () and result.offset == 0.0
    for utterance, (start, end) in zip(result.utterances, spans(words), strict=True):
        assert utterance.segment.start == pytest.approx(start, abs=0.1)
        assert utterance.segment.end == pytest.approx(end, abs=0.5)


def test_one_misplaced_utterance_is_moved():
    words = recognised()
    times = spans(words)
    times[4] = (20.0, 21.2)
    result = align(transcript(times=times), words, duration=30)
    assert result.utterances[4].segment.start == pytest.approx(spans(words)[4][0])
    (note,) = result.notes
    assert note.startswith("utterance 5 (u4): given times 20.00 to 21.20 s, but its words were recognised")
    assert note.endswith("s earlier; moved there")


@pytest.mark.parametrize(
    ("times", "expected", "says"),
    [
        ((-0.5, 2.0), (0.0, 2.0), "given times -0.5 to 2 s begin before the recording; the start was set to 0"),
        ((5.0, 3.0), (3.0, 5.0), "given times 5 to 3 s are reversed; they were swapped"),
        ((8.0, 25.0), (8.0, 10.0), "given times 8 to 25 s end past its end, 10 s; they were cut there"),
        ((8.0, 10.3), (8.0, 10.0), None),
    ],
)
def test_impossible_times_are_repaired(times, expected, says):
    result = align(transcript(["Hello there."], [times]), [], duration=10)
    (utterance,) = result.utterances
    assert (utterance.segment.start, utterance.segment.end) == expected
    assert result.notes == ((f"utterance 1 (u0): {says}",) if says else ())


@pytest.mark.parametrize(
    ("times", "says"),
    [
        ((-5.0, -2.0), "given times -5 to -2 s lie before the recording; they were dropped"),
        ((12.0, 14.0), "given times 12 to 14 s lie past its end, 10 s; they were dropped"),
        ((3.0, 3.0), "given times 3 to 3 s span no time; they were dropped"),
        ((500.0, 3.0), "given times 500 to 3 s are reversed; they were dropped"),
        ((1.0, math.nan), "given times 1 to nan s are not finite; they were dropped"),
    ],
)
def test_times_beyond_repair_are_dropped_and_the_utterance_placed_anew(times, says):
    words = [Word("Hello", Segment(4, 4.4), 0.9), Word("there.", Segment(4.4, 4.8), 0.9)]
    result = align(transcript(["Hello there."], [times]), words, duration=10)
    (utterance,) = result.utterances
    assert (utterance.segment.start, utterance.segment.end) == (4, 4.8)
    assert result.notes == (f"utterance 1 (u0): {says}",)


@pytest.mark.parametrize(
    ("times", "speakers", "expected", "says"),
    [
        ([(1, 4), (3, 6)], "AA", [(1, 3), (3, 6)], "utterance 1 (u0): ended at 4 s, after the same speaker's next"),
        ([(1, 4), (3, 6)], "AB", [(1, 4), (3, 6)], None),
        ([(1, 4), (1, 6)], "AA", [(1, 4), (4, 6)], "utterance 2 (u1): began at 1 s, before the same speaker's last"),
        ([(2, 6), (2, 5)], "AA", [(2, 6), None], "utterance 2 (u1): times 2 to 5 s lie inside the same speaker's last"),
    ],
)
def test_a_speaker_does_not_overlap_himself(times, speakers, expected, says):
    result = align(transcript(["Hello there.", "And you?"], times, list(speakers)), [], duration=10)
    assert [(u.segment.start, u.segment.end) if u.segment else None for u in result.utterances] == expected
    assert [note.startswith(says) for note in result.notes] == ([True] if says else [])


def test_without_recognition_words_are_spread_by_characters():
    (utterance,) = align(transcript(["A considerable sum"], [(2.0, 4.0)]), [], duration=10).utterances
    assert [w.text for w in utterance.words] == ["A", "considerable", "sum"]
    assert utterance.words[0].segment.start == 2.0 and utterance.words[-1].segment.end == pytest.approx(4.0)
    assert utterance.words[1].segment.duration > 3 * utterance.words[2].segment.duration


def test_without_recognition_and_times_utterances_share_the_speech():
    speech = [Segment(1, 3), Segment(6, 8)]
    result = align(transcript(TEXTS[:2]), [], duration=10, speech=speech)
    first, second = result.utterances
    assert first.segment.start == 1 and second.segment.end == 8
    assert first.segment.end <= second.segment.start
    assert len(result.notes) == 2 and result.agreement is None


def test_words_that_come_with_times_keep_them():
    words = (Word("Hello", Segment(2, 2.3)), Word("there.", Segment(2.9, 3.1)))
    given = Conversation("talk", (Utterance("u0", text="Hello there.", words=words),))
    (utterance,) = align(given, [Word("Hello", Segment(2.1, 2.5), 0.9)], duration=10).utterances
    assert utterance.words == words and utterance.segment == Segment(2, 3.1)


def test_another_recordings_transcript_is_noticed():
    texts = ["Completely different things are being spoken about over here."] * 4
    result = align(transcript(texts, [(n * 2.0, n * 2.0 + 1.5) for n in range(4)]), recognised(), duration=30)
    assert result.agreement < 0.3
    assert "of the transcript's words were recognised in the recording" in result.notes[0]


def test_asides_are_no_words_and_an_aside_alone_has_no_time():
    result = align(transcript(["[door] Who was that?", "(laughs)"]), recognised(["Who was that?"]), duration=10)
    assert [w.text for w in result.utterances[0].words] == ["Who", "was", "that?"]
    assert result.utterances[1].segment is None
    assert result.notes == ("utterance 2 (u1): it has neither usable times nor spoken words; left without times",)


def test_a_recording_without_length_is_refused():
    with pytest.raises(InputError, match="duration 0: expected the length of the recording in seconds"):
        align(transcript(), [], duration=0)


wild = st.floats(-5, 40, allow_nan=False) | st.just(math.inf)
lines = st.lists(
    st.tuples(
        st.sampled_from([*TEXTS, "No.", "(laughs)", "", "Nobody recognised any of this."]),
        st.none() | st.tuples(wild, wild),
        st.sampled_from(["A", "B", None]),
    ),
    max_size=12,
)
regions = st.lists(st.floats(0.01, 3), max_size=16).map(
    lambda steps: [Segment(a, b) for a, b in list(pairwise(np.cumsum(steps).tolist()))[::2]]
)


@settings(deadline=None)
@given(lines, st.lists(st.sampled_from([*TEXTS, "Yes."]), max_size=8), regions)
def test_whatever_the_transcript_the_times_are_sound(rows, said, speech):
    talk = transcript([r[0] for r in rows], [r[1] for r in rows], [r[2] for r in rows])
    result = align(talk, recognised(said, pause=0.3), duration=30, speech=speech)
    assert result == align(talk, recognised(said, pause=0.3), duration=30, speech=speech)
    assert sorted(u.id for u in result.utterances) == sorted(u.id for u in talk)
    for number, utterance in enumerate(result.utterances, 1):
        named = any(note.startswith(f"utterance {number} ({utterance.id}): ") for note in result.notes)
        assert utterance.segment or named
        inside = utterance.segment or Segment(0, 30)
        assert inside.end <= 30
        assert all(a.segment.end <= b.segment.start for a, b in pairwise(utterance.words))
        assert all(inside.start <= w.segment.start and w.segment.end <= inside.end for w in utterance.words)


def noisy_talk(count: int) -> tuple[Conversation, list[Word], list[float]]:
    rng = np.random.default_rng(1)
    spoken = [f"word{v % 3000}" for v in rng.zipf(1.3, count)]
    words, starts, utterances, now = [], [], [], 0.0
    for number, text in enumerate(spoken):
        if number % 8 == 0:
            utterances.append(Utterance(f"u{number}", text=" ".join(spoken[number : number + 8])))
            starts.append(now)
        chance = rng.random()
        if chance > 0.1:
            words.append(Word(text if chance > 0.2 else "misheard", Segment(now, now + 0.3), 0.9))
        now += 0.35
    return Conversation("long", tuple(utterances)), words, starts


def test_two_hours_of_words_are_aligned_in_seconds_and_the_same_twice():
    talk, words, starts = noisy_talk(20_000)
    began = time.process_time()
    result = align(talk, words, duration=7200)
    assert time.process_time() - began < 5
    wrong = [abs(u.segment.start - s) if u.segment else 9 for u, s in zip(result.utterances, starts, strict=True)]
    assert np.median(wrong) < 0.05 and np.quantile(wrong, 0.95) < 0.5
    timed = [w for u in result.utterances for w in u.words]
    assert all(a.segment.end <= b.segment.start + 1e-6 for a, b in pairwise(timed))
    assert align(talk, words, duration=7200) == result


def test_a_sentence_said_twice_keeps_the_given_times() -> None:
    """Only the first was recognised, and its words fit both."""
    text = "Dogs are sitting by the door."
    said = Conversation(
        "c", (Utterance("a", "A", text, Segment(3.1, 6.0)), Utterance("b", "B", text, Segment(6.9, 9.1)))
    )
    spoken = [Word(word, Segment(3.2 + 0.4 * n, 3.5 + 0.4 * n)) for n, word in enumerate(text.split())]
    found = align(said, spoken, duration=12.0)
    assert [one.segment for one in found.utterances] == [Segment(3.1, 6.0), Segment(6.9, 9.1)]
    assert found.notes == () and found.utterances[0].words[0].segment == Segment(3.2, 3.5)
    late = [Word(word, Segment(7.0 + 0.3 * n, 7.2 + 0.3 * n)) for n, word in enumerate(text.split())]
    found = align(said, late, duration=12.0)
    assert [one.segment for one in found.utterances] == [Segment(3.1, 6.0), Segment(6.9, 9.1)]
    assert found.utterances[1].words[0].segment == Segment(7.0, 7.2)


def test_a_sentence_like_the_next_is_not_moved_into_its_given_times() -> None:
    """Nothing was recognised of the first, and what was recognised of the second fits it in part."""
    first, second = "Kids are talking by the door.", "Dogs are sitting by the door."
    said = Conversation(
        "c", (Utterance("a", "A", first, Segment(3.0, 4.5)), Utterance("b", "B", second, Segment(6.0, 8.0)))
    )
    heard = [
        Word(word, Segment(6.1 + 0.3 * n, 6.3 + 0.3 * n))
        for n, word in enumerate(["Kids", "are", "talking", "by", "the", "door"])
    ]
    found = align(said, heard, duration=12.0)
    assert [one.segment for one in found.utterances] == [Segment(3.0, 4.5), Segment(6.0, 8.0)]
    assert found.notes == ()


def test_two_lines_whose_times_were_exchanged_are_moved() -> None:
    first, second = "Kids are talking by the door.", "Dogs sit under that old table."
    said = Conversation(
        "c", (Utterance("a", "A", first, Segment(6.0, 8.0)), Utterance("b", "B", second, Segment(2.0, 4.0)))
    )
    heard = [
        Word(word, Segment(start + 0.3 * n, start + 0.2 + 0.3 * n))
        for start, text in ((2.1, first), (6.1, second))
        for n, word in enumerate(text.split())
    ]
    found = {one.id: one.segment.start for one in align(said, heard, duration=12.0).utterances}
    assert found["a"] < 3 and found["b"] > 5


def test_a_sentence_said_four_times_keeps_its_places_when_one_is_hardly_heard() -> None:
    """Of the second only the end was recognised, and the fourth twice: a line's words lie in the next's times."""
    given = [Segment(0.2, 1.82), Segment(2.8, 4.18), Segment(4.96, 6.8), Segment(7.32, 8.76)]
    text, words = "Kids are talking by the door.", ["Kids", "are", "talking", "by", "the", "door"]
    said = Conversation("c", tuple(Utterance(name, "A", text, one) for name, one in zip("abcd", given, strict=True)))
    starts = [0.24, 0.38, 0.52, 0.92, 2.74, 3.82, 4.97, 5.1, 5.32, 5.74, 6.1, 6.26]
    starts += [7.29, 7.44, 7.62, 7.92, 7.94, 7.96, 7.98, 8.0, 8.02, 8.04, 8.18, 8.34]
    heard = [Word(words[n % 6], Segment(start, start + 0.02)) for n, start in enumerate(starts)]
    found = align(said, heard, duration=12.0)
    assert [one.segment for one in found.utterances] == given and found.notes == ()
