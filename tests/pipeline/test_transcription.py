"""Words and languages of windows, with a recogniser that says what the test wants."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest

from merc import AnalyzeOptions, Segment, Utterance
from merc.cache import Cache
from merc.conversation import Word
from merc.media.audio import AudioInfo, Probe
from merc.pipeline import transcription
from merc.pipeline.options import Job
from merc.pipeline.transcription import Transcription, transcribe
from merc.speech.asr import Language

SAMPLES = np.zeros(60 * 16000, np.int16)
SPEECH = [Segment(0, 27), Segment(30, 57)]
GERMAN = Language("de", 0.9, 0.05)


def job(folder: Path, **options: object) -> Job:
    probe = Probe("wav", 60.0, AudioInfo("pcm_s16le", 16000, 1, "mono"), None)
    return Job(folder / "a.wav", probe, "f" * 64, AnalyzeOptions(**options), Cache(folder / "cache"))  # type: ignore[arg-type]


class Scripted:
    """Instead of the recogniser: German from the thirtieth second on, and a word a window in its language."""

    recording = Language("en", 0.6, 0.6)
    loaded = 0
    groups: ClassVar[list[int]] = []

    def __init__(self, options: object) -> None:
        type(self).loaded += 1

    def language(self, samples: np.ndarray, speech: Sequence[Segment]) -> Language:
        return self.recording

    def language_of_window(
        self, samples: np.ndarray, window: Segment, recording: Language, *, speech: Sequence[Segment]
    ) -> Language:
        return GERMAN if window.start >= 30 else recording

    def transcribe(
        self, samples: np.ndarray, window: Segment, language: str, *, speech: Sequence[Segment]
    ) -> list[Word]:
        return [Word(language, Segment(window.start, window.start + 1), 0.9)]

    def together(self, function: Callable[[Segment], Any], windows: Sequence[Segment]) -> list[Any]:
        self.groups.append(len(windows))
        return [function(window) for window in windows]


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> type[Scripted]:
    made = type("Scripted", (Scripted,), {"loaded": 0, "groups": []})
    monkeypatch.setattr(transcription, "Recognizer", made)
    monkeypatch.setattr(transcription, "find", lambda asr: SimpleNamespace(key=asr))
    return made


def test_each_window_is_transcribed_in_its_own_language_and_the_note_says_where(tmp_path: Path) -> None:
    found = transcribe(job(tmp_path), SAMPLES, SPEECH, transcript=False)
    assert [word.text for word in found.words] == ["en", "de"]
    assert found.language_of(Utterance("u", segment=Segment(31, 35))) == "de"
    assert found.language_of(Utterance("u", segment=Segment(1, 4))) == "en"
    assert found.language_of(Utterance("u")) == "en"
    assert found.notes(transcript=False) == ["the language is 'de' from 30.0 to 57.0 s, 'en' elsewhere"]


def test_a_run_from_the_cache_loads_no_recogniser(tmp_path: Path, scripted: type[Scripted]) -> None:
    first = transcribe(job(tmp_path), SAMPLES, SPEECH, transcript=False)
    assert transcribe(job(tmp_path), SAMPLES, SPEECH, transcript=False) == first
    assert scripted.loaded == 1


def test_a_language_that_is_named_is_that_of_every_window(tmp_path: Path) -> None:
    found = transcribe(job(tmp_path, language="fr"), SAMPLES, SPEECH, transcript=False)
    assert found.language == Language("fr", 1.0, 0.0)
    assert [word.text for word in found.words] == ["fr", "fr"]


def test_translated_words_are_noted_and_cached_apart(tmp_path: Path, scripted: type[Scripted]) -> None:
    plain = transcribe(job(tmp_path), SAMPLES, SPEECH, transcript=False)
    found = transcribe(job(tmp_path, translate=True), SAMPLES, SPEECH, transcript=False)
    assert (plain.translated, found.translated) == (False, True)
    assert scripted.loaded == 2
    assert found.notes(transcript=False)[-1] == (
        "words in other languages than English are Whisper's translation, and no text evidence"
    )
    english = transcribe(job(tmp_path, translate=True), SAMPLES, SPEECH[:1], transcript=False)
    assert not english.translated


def test_options_of_whisper_reach_it_and_it_runs_on_a_card_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ctranslate2

    monkeypatch.setattr(ctranslate2, "get_cuda_device_count", lambda: 0)
    work = job(tmp_path, asr="tiny", compute_type="float32", translate=True, beam=3, threads=2)
    found = transcription.asr_options(work)
    assert (found.model, found.compute_type, found.translate, found.beam) == ("tiny", "float32", True, 3)
    assert (found.device, found.cpu_threads) == ("cpu", 2)
    assert transcription._device(replace(work, device="mps")) == "cpu"
    assert transcription._device(replace(work, device="cuda:1")) == "cpu"  # auto: CTranslate2 sees no card
    named = replace(work, device="cuda:1", options=AnalyzeOptions(device="cuda:1"))
    assert transcription._device(named) == "cuda:1"


def test_without_speech_nothing_is_heard(tmp_path: Path, scripted: type[Scripted]) -> None:
    assert transcribe(job(tmp_path), SAMPLES, [], transcript=False) == Transcription()
    assert scripted.loaded == 0


@pytest.mark.parametrize(
    ("transcript", "code", "note"),
    [
        (False, "nl", "most likely 'nl' (0.30; English 0.25); name it with --language"),
        (True, "en", "(English 0.25); the transcript counts as English"),
    ],
)
def test_an_uncertain_language_is_said_and_only_a_transcript_counts_as_english(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, transcript: bool, code: str, note: str
) -> None:
    monkeypatch.setattr(Scripted, "recording", Language("nl", 0.3, 0.25))
    found = transcribe(job(tmp_path), SAMPLES, SPEECH[:1], transcript=transcript)
    assert found.language is not None and found.language.code == code
    assert [word.text for word in found.words] == [code]
    (said,) = found.notes(transcript=transcript)
    assert note in said


def test_windows_are_decoded_in_groups_that_do_not_depend_on_the_threads(
    tmp_path: Path, scripted: type[Scripted]
) -> None:
    samples, speech = np.zeros(200 * 16000, np.int16), [Segment(30.0 * n, 30 * n + 27) for n in range(6)]
    found = [
        transcribe(job(tmp_path / str(threads), threads=threads), samples, speech, transcript=False)
        for threads in (1, 2, 4)
    ]
    assert [len(one.windows) for one in found] == [6, 6, 6]
    assert found[0] == found[1] == found[2]
    assert [word.segment.start for word in found[0].words] == [30.0 * n for n in range(6)]
    assert sorted(scripted.groups) == [2, 2, 2, 4, 4, 4]
