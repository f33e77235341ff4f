from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.conversation import Segment, Word
from merc.errors import InputError, UnknownName
from merc.speech.asr import AsrOptions, Language, Recognizer, _unlooped, _words, windows
from merc.speech.matching import tokens
from merc.speech.vad import RATE, detect_speech

from .sounds import decoded, signal


@st.composite
def speeches(draw):
    lengths = draw(st.lists(st.tuples(st.floats(0.05, 9), st.floats(0.1, 70)), max_size=25))
    now, found = 0.0, []
    for pause, length in lengths:
        found.append(Segment(now + pause, now + pause + length))
        now = found[-1].end
    return found


@settings(deadline=None)
@given(speeches())
def test_windows_hold_all_speech_and_nothing_twice(speech):
    packed = windows(speech)
    assert all(0.01 < w.duration <= 28 + 1e-6 for w in packed)
    assert all(a.end <= b.start for a, b in pairwise(packed))
    for region in speech:
        assert sum(w.overlap(region) for w in packed) == pytest.approx(region.duration)
    for window in packed:
        middle_cut = [s for s in speech if s.start < window.end < s.end]
        assert not middle_cut or middle_cut[0].duration > 28
    assert packed == windows(speech)


def test_a_window_ends_at_the_longest_of_its_late_pauses():
    speech = [Segment(0, 20), Segment(20.2, 23), Segment(25, 27), Segment(27.3, 40)]
    assert windows(speech) == [Segment(0, 23), Segment(25, 40)]


def test_a_long_region_is_split_where_it_is_quietest():
    samples = np.full(40 * RATE, 8000, np.int16)
    samples[24 * RATE : 24 * RATE + 4800] = 10
    first, second = windows([Segment(0, 40)], samples=samples)
    assert 24.0 <= first.end == second.start <= 24.3
    assert windows([Segment(0, 40)]) == [Segment(0, 28), Segment(28, 40)]


def test_regions_out_of_order_are_refused():
    with pytest.raises(InputError, match=r"speech at 1 s begins before the one in front ends \(3 s\)"):
        windows([Segment(0, 3), Segment(1, 4)])


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"beam": 0}, "beam is 0: expected at least 1"),
        ({"no_speech": 2.0}, "no_speech is 2.0: expected 0 to 1"),
        ({"margin": 5.0}, "margin is 5.0: expected 0 to 1"),
    ],
)
def test_options_that_cannot_work_are_refused(options, says):
    with pytest.raises(InputError) as caught:
        AsrOptions(**options)
    assert says in str(caught.value)


def test_loops_are_cut_and_ordinary_repetition_stays():
    def said(text: str) -> list[Word]:
        return [Word(w, Segment(n, n + 1)) for n, w in enumerate(text.split())]

    assert len(_unlooped(said("no no no no"))) == 4
    assert len(_unlooped(said("Wendy! Wendy, Wendy. " * 20))) == 4
    assert len(_unlooped(said("a bit of " * 30))) == 12
    assert len(_unlooped(said("one two three four five six seven"))) == 7


def test_pieces_are_joined_to_their_word():
    def piece(word: str, start: float, end: float) -> SimpleNamespace:
        return SimpleNamespace(word=word, start=start, end=end, probability=0.5)

    passage = SimpleNamespace(words=[piece(" Bye", 0, 0.4), piece("-bye.", 0.4, 0.6), piece(" Now", 0.9, 0.9)])
    joined = _words(passage, Segment(10, 20), "en")
    assert [(w.text, w.segment.start) for w in joined] == [("Bye-bye.", 10), ("Now", 10.9)]
    assert [w.text for w in _words(passage, Segment(10, 20), "ja")] == ["Bye", "-bye.", "Now"]


def test_language_says_whether_it_is_english():
    assert Language("en", 0.6, 0.6).is_english
    assert not Language("de", 0.6, 0.3).is_english


@pytest.fixture(scope="module")
def recognizer(weight):
    weight("whisper-base", "silero-vad")
    return Recognizer()


def test_real_speech_is_transcribed_with_times(recognizer, data):
    samples = decoded(data / "clips" / "jfk.flac")
    speech = detect_speech(samples)
    (window,) = windows(speech, samples=samples)
    language = recognizer.language(samples, speech)
    assert language.code == "en" and language.is_english and language.probability > 0.9
    words = recognizer.transcribe(samples, window, language.code, speech=speech)
    plain = " ".join(token for word in words for token in tokens(word.text))
    assert plain.startswith("and so my fellow americans ask not what your country can do for you")
    assert words[0].segment.start == pytest.approx(0.32, abs=0.1)
    assert all(a.segment.end <= b.segment.start for a, b in pairwise(words))
    assert all(window.start <= w.segment.start < w.segment.end <= window.end for w in words)
    assert all(w.probability is not None and 0 < w.probability <= 1 for w in words)
    assert words == recognizer.transcribe(samples, window, language.code, speech=speech)


def test_times_are_those_of_the_recording(recognizer, data):
    sound = decoded(data / "clips" / "jfk.flac")[: int(2.4 * RATE)]
    samples = np.concatenate([np.zeros(7 * RATE, np.int16), sound])
    speech = detect_speech(samples)
    words = recognizer.transcribe(samples, speech[0], "en", speech=speech)
    assert words[0].segment.start == pytest.approx(7.32, abs=0.1)


@pytest.mark.parametrize("speech", [None, []])
def test_nothing_is_invented_where_nobody_speaks(recognizer, speech):
    assert recognizer.transcribe(signal("noise", 10), Segment(0, 10), "en", speech=speech) == []


def test_what_cannot_be_transcribed_is_refused(recognizer):
    samples = np.zeros(40 * RATE, np.int16)
    with pytest.raises(InputError, match=r"window of 31\.0 s: expected at most 30 s"):
        recognizer.transcribe(samples, Segment(0, 31), "en")
    with pytest.raises(InputError, match=r"the recording ends at 40\.000 s"):
        recognizer.transcribe(samples, Segment(50, 60), "en")
    with pytest.raises(UnknownName, match="unknown language 'xx'"):
        recognizer.transcribe(samples, Segment(0, 10), "xx")
    with pytest.raises(InputError, match="at least one region of speech"):
        recognizer.language(samples, [])


def test_a_window_too_long_for_the_recogniser_is_refused():
    with pytest.raises(InputError, match="longest 60: expected 4 to 30 s"):
        windows([Segment(0, 1)], longest=60)
