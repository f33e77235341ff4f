from __future__ import annotations

from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from merc import weights
from merc.conversation import Segment, Word
from merc.errors import InputError, UnknownName
from merc.speech.asr import AsrOptions, Language, Recognizer, _words, decided, mean_probability
from merc.speech.matching import tokens
from merc.speech.vad import RATE, detect_speech
from merc.speech.windows import windows

from .sounds import decoded, signal


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


@pytest.mark.parametrize(
    ("distribution", "code"),
    [
        ({"en": 0.9, "de": 0.05}, "en"),
        ({"en": 0.24, "nl": 0.2}, "nl"),
        ({"en": 0.04, "es": 0.17, "pt": 0.1}, "es"),
        ({"en": 0.3, "cy": 0.1}, "en"),
        ({"en": 1.0}, "en"),
    ],
)
def test_english_must_be_clearly_the_most_probable(distribution, code):
    assert decided(distribution, english=2.0).code == code


class Scripted(Recognizer):
    """Whisper's decoder replaced by a script: seconds of sound and whether repeats are forbidden, to passages."""

    def __init__(self, script):
        self.options, self.script, self.calls = AsrOptions(margin=0.0), script, []
        self._languages = {"en": True}

    def _passages(self, sound, language, *, unrepeated=0):
        self.calls.append((round(len(sound) / RATE), unrepeated))
        return self.script[self.calls[-1]]


def passage(text: str, start: float, each: float, *, sure: float, compression: float = 1.0) -> SimpleNamespace:
    words = [
        SimpleNamespace(word=f" {word}", start=start + n * each, end=start + (n + 1) * each, probability=sure)
        for n, word in enumerate(text.split())
    ]
    return SimpleNamespace(words=words, compression_ratio=compression, no_speech_prob=0.1, avg_logprob=-0.2)


SENTENCE = "kids are talking by the door"
SILENT = np.zeros(30 * RATE, np.int16)


def test_a_sentence_that_is_said_many_times_is_kept():
    moods = [passage(SENTENCE, 3.0 * n, 0.4, sure=0.9, compression=5.0) for n in range(7)]
    squashed = passage(SENTENCE, 20.6, 0.03, sure=0.9, compression=5.0)
    heard = Scripted({(21, 0): [*moods, squashed]})
    words = heard.transcribe(SILENT, Segment(0, 21), "en", speech=[Segment(3.0 * n, 3 * n + 3) for n in range(7)])
    assert [w.text for w in words] == SENTENCE.split() * 7
    assert heard.calls == [(21, 0)]


def test_an_improbable_loop_is_decoded_again_region_by_region():
    loop = [passage("three four " * 40, 0.0, 0.2, sure=0.6, compression=5.0)]
    said = [passage("three of us", 0.0, 0.5, sure=0.9)]
    heard = Scripted({(16, 0): loop, (9, 0): said, (5, 0): loop, (5, 4): loop})
    words = heard.transcribe(SILENT, Segment(0, 16), "en", speech=[Segment(0, 9), Segment(11, 16)])
    assert heard.calls == [(16, 0), (9, 0), (5, 0), (5, 4)]
    assert [w.text for w in words][:3] == ["three", "of", "us"]
    assert len(words) == 3 + 8  # a loop in a single region is cut to four phrases


def test_a_region_without_words_is_decoded_alone_and_only_probable_words_are_kept():
    most = [passage("well that is what I said", 0.0, 0.5, sure=0.9)]
    speech = [Segment(0, 3), Segment(5, 6), Segment(8, 8.2), Segment(12, 14)]
    heard = Scripted(
        {(14, 0): most, (1, 0): [passage("No.", 0.2, 0.5, sure=0.9)], (2, 0): [passage("Bye.", 0.0, 1.0, sure=0.4)]}
    )
    words = heard.transcribe(SILENT, Segment(0, 14), "en", speech=speech)
    assert [w.text for w in words] == ["well", "that", "is", "what", "I", "said", "No."]
    assert words[-1].segment.start == pytest.approx(5.2)
    assert heard.calls == [(14, 0), (1, 0), (2, 0)]


def test_a_window_has_another_language_only_where_it_is_clear():
    class Spoken(Scripted):
        def _languages_of(self, samples, window, speech):
            return {"en": 0.05, "de": 0.9} if window.start else {"en": 0.3, "de": 0.6}

    heard, recording = Spoken({}), Language("en", 0.8, 0.8)
    assert heard.language_of_window(SILENT, Segment(0, 9), recording, speech=[]) == recording
    assert heard.language_of_window(SILENT, Segment(9, 20), recording, speech=[]).code == "de"


def test_the_mean_probability_of_words():
    pair = [Word("a", Segment(0, 1), 0.2), Word("b", Segment(1, 2), 0.6)]
    assert mean_probability(pair) == pytest.approx(0.4)
    assert mean_probability([]) == 0.0
    assert mean_probability([Word("a", Segment(0, 1))]) == 1.0


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


def test_one_sentence_in_many_moods_is_heard_as_often_as_it_is_said(recognizer, data):
    moods = [decoded(data / "audio" / "ravdess" / f"03-01-0{mood}-01-01-01-04.opus") for mood in range(1, 9)]
    samples = np.concatenate([part for sound in moods for part in (sound[8000:-8000], np.zeros(4000, np.int16))])
    speech = detect_speech(samples)
    heard = [
        word.text.casefold().strip(".,!?")
        for window in windows(speech, samples=samples)
        for word in recognizer.transcribe(samples, window, "en", speech=speech)
    ]
    assert heard.count("door") >= 7 and heard.count("kids") >= 6


def test_a_short_sentence_in_another_language_is_not_english(recognizer, data):
    samples = decoded(sorted((data / "audio" / "nemo").glob("*_anger_*.opus"))[0])
    assert not recognizer.language(samples, detect_speech(samples)).is_english


def test_times_are_those_of_the_recording(recognizer, data):
    sound = decoded(data / "clips" / "jfk.flac")[: int(2.4 * RATE)]
    samples = np.concatenate([np.zeros(7 * RATE, np.int16), sound])
    speech = detect_speech(samples)
    words = recognizer.transcribe(samples, speech[0], "en", speech=speech)
    assert words[0].segment.start == pytest.approx(7.32, abs=0.1)


def test_a_folder_gives_the_words_of_its_model(recognizer, data):
    sound = decoded(data / "clips" / "jfk.flac")[: int(2.4 * RATE)]
    other = Recognizer(AsrOptions(model=str(weights.folder("whisper-base"))))
    assert other.transcribe(sound, Segment(0, 2.4), "en") == recognizer.transcribe(sound, Segment(0, 2.4), "en")


@pytest.mark.parametrize(("language", "task"), [("en", "transcribe"), ("pl", "translate")])
def test_other_languages_than_english_are_translated_where_that_is_asked(language, task):
    asked = []

    class Listening(Recognizer):
        def __init__(self):
            self.options = AsrOptions(translate=True)
            self._model = SimpleNamespace(
                transcribe=lambda sound, **options: (asked.append(options["task"]) or [], None)
            )

    Listening()._passages(np.zeros(RATE, np.float32), language)
    assert asked == [task]


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
