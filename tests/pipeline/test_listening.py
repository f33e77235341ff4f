"""Speakers, voices and language of the utterances; the models themselves are tested in their rooms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc import AnalyzeOptions, Conversation, Segment, Utterance
from merc.cache import Cache
from merc.errors import MediaError
from merc.media.container import AudioInfo, Probe
from merc.people.activity import Activity
from merc.people.diarise import Turn
from merc.pipeline import listening
from merc.pipeline.listening import AudioResult, listen, with_voices
from merc.pipeline.options import Job
from merc.pipeline.transcription import Transcription
from merc.speech.asr import Language


def said(*rows: tuple[float, float, str | None]) -> list[Utterance]:
    """Utterances by start, end and speaker."""
    return [
        Utterance(f"u{n}", speaker=speaker, text="yes", segment=Segment(start, end))
        for n, (start, end, speaker) in enumerate(rows)
    ]


def job(folder: Path, *, sound: bool, **options: object) -> Job:
    stream = AudioInfo("pcm_s16le", 16000, 1, "mono") if sound else None
    probe = Probe("wav", 4.0, stream, None)
    return Job(folder / "a.wav", probe, "f" * 64, AnalyzeOptions(**options), Cache(folder / "cache"))  # type: ignore[arg-type]


TURNS = [Turn(0, Segment(0, 2)), Turn(1, Segment(2, 4)), Turn(0, Segment(4, 6))]


def test_without_names_speakers_are_numbered_as_they_first_speak() -> None:
    found, voices, turns = listening._with_voices(said((2.1, 3.9, None), (0.1, 1.9, None), (4.1, 5, None)), TURNS)
    assert voices == [1, 0, 0]
    assert [utterance.speaker for utterance in found] == ["Speaker 1", "Speaker 2", "Speaker 2"]
    assert turns == TURNS


def test_an_utterance_far_from_every_turn_has_no_voice() -> None:
    found, voices, _ = listening._with_voices(said((9, 10, None)), TURNS)
    assert (found[0].speaker, voices) == (None, [None])


def test_names_of_a_transcript_are_the_voices_and_fill_the_gaps_of_their_voice() -> None:
    rows = said((0.1, 1.9, "Ann"), (2.1, 3.9, "Bob"), (4.1, 5, None), (9, 10, None))
    found, voices, turns = listening._with_voices(rows, TURNS)
    assert [utterance.speaker for utterance in found] == ["Ann", "Bob", "Ann", None]
    assert voices == [0, 1, 0, None]
    assert [(turn.speaker, turn.segment.start) for turn in turns] == [(0, 0.1), (1, 2.1), (0, 4.1)]


def test_a_voice_has_the_name_that_it_has_for_the_most_seconds() -> None:
    rows = said((0, 1, "Ann"), (1, 3, "Bob"), (3, 3.5, "Ann"))
    assert listening._voice_names(rows, [0, 0, 0]) == {0: "Bob"}


def test_fewer_voices_than_requested_are_noted(tmp_path: Path) -> None:
    notes = listening._fewer(job(tmp_path, sound=True, speakers=3), TURNS)
    assert notes == ["3 speakers were requested, 2 found: there is too little speech for more"]
    assert listening._fewer(job(tmp_path, sound=True, min_speakers=2), TURNS) == []
    assert listening._fewer(job(tmp_path, sound=True), TURNS) == []


def test_speech_is_also_what_the_segmentation_network_alone_hears(tmp_path: Path, monkeypatch) -> None:
    heard = Activity(np.zeros((470, 3), dtype=bool), np.full(470, 0.95, np.float32))
    heard.tracks[300:400, 0] = True
    monkeypatch.setattr(listening, "detect_speech", lambda samples, progress: [Segment(1, 2)])
    monkeypatch.setattr(listening, "voice_activity", lambda samples, device: heard)
    samples = np.zeros(8 * 16000, np.int16)
    for _ in range(2):  # computed, then from the cache
        found = listening._speech(job(tmp_path, sound=True), samples)
        assert [(round(one.start, 1), round(one.end, 1)) for one in found] == [(1, 2), (5.1, 6.8)]


def test_other_voices_number_the_speakers_again() -> None:
    utterances = tuple(said((0, 1, "Speaker 1"), (1, 2, "Speaker 2")))
    audio = AudioResult(None, utterances, (4, 7), tuple(TURNS), (), Transcription(), ())
    found = with_voices(audio, [7, None])
    assert [utterance.speaker for utterance in found.utterances] == ["Speaker 1", None]
    assert (found.voices, found.turns) == ((7, None), (Turn(7, Segment(0, 1)),))


def test_without_sound_the_transcript_is_taken_as_it_is(tmp_path: Path) -> None:
    transcript = Conversation("t", tuple(said((0, 1, "Ann"), (1, 2, "Bob"))))
    found = listen(job(tmp_path, sound=False, language="en"), transcript)
    assert found.samples is None
    assert [utterance.speaker for utterance in found.utterances] == ["Ann", "Bob"]
    assert found.notes[0] == "a.wav has no sound: times and speakers are those of the transcript"
    assert found.language == Language("en", 1.0, 1.0)


def test_without_sound_and_transcript_there_is_nothing_to_analyse(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"a\.wav: it has video but no sound, .* --transcript"):
        listen(job(tmp_path, sound=False), None)
