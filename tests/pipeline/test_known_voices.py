"""Voices of recordings: made of one person's speech, and given as names to speakers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Segment, Utterance
from merc.errors import InputError
from merc.people.known_voices import DIMENSION, KnownVoice
from merc.pipeline import speakers
from merc.pipeline.listening import AudioResult
from merc.pipeline.speakers import enrolled, named
from merc.pipeline.transcription import Transcription

SHA = "ab" * 32


class Encoder:
    def describe(self) -> dict[str, str]:
        return {"sha256": SHA}


class Job:
    device = "cpu"

    @property
    def models(self) -> Job:
        return self

    def encoder(self, name: str, *, device: str) -> Encoder:
        return Encoder()


class Heard:
    """Sounds whose vectors are those given."""

    def __init__(self, *rows: np.ndarray | None) -> None:
        self.job, self.rows = Job(), rows

    def by_utterance(self, encoder: Encoder) -> list[np.ndarray | None]:
        return list(self.rows)


def axis(place: int) -> np.ndarray:
    return np.eye(DIMENSION)[place]


def voice(name: str, place: int, sha: str = SHA) -> KnownVoice:
    return KnownVoice(name, tuple(axis(place).tolist()), 5.0, "2026-11-30", sha)


def talk(*said: tuple[str, float]) -> AudioResult:
    spoken = tuple(
        Utterance(f"u{n}", who, segment=Segment(10 * n, 10 * n + long)) for n, (who, long) in enumerate(said)
    )
    return AudioResult(np.zeros(1, np.int16), spoken, (0,) * len(spoken), (), (), Transcription(), ("first",))


def test_a_speaker_who_sounds_like_a_stored_voice_has_its_name_and_a_note_says_so() -> None:
    audio = talk(("Speaker 1", 3.0), ("Speaker 2", 3.0), ("Speaker 1", 1.0))
    made = named(audio, Heard(axis(0), axis(1), axis(0)), [voice("Anna", 0), voice("Ben", 7)])  # type: ignore[arg-type]
    assert [one.speaker for one in made.utterances] == ["Anna", "Speaker 2", "Anna"]
    assert made.notes[0] == "first"
    assert made.notes[1].startswith("stored voice: Speaker 1 has the name of Anna (cosine 1.00, at least 0.")


def test_a_speaker_of_whom_little_is_heard_keeps_the_number() -> None:
    audio = talk(("Speaker 1", 1.0), ("Speaker 1", 9.0))
    assert named(audio, Heard(axis(0), None), [voice("Anna", 0)]) == audio  # type: ignore[arg-type]


def test_names_of_a_transcript_stay() -> None:
    audio = replace(talk(("Carla", 5.0)), named=True)
    assert named(audio, Heard(axis(0)), [voice("Anna", 0)]) is audio  # type: ignore[arg-type]


def test_a_voice_of_other_weights_is_refused() -> None:
    with pytest.raises(InputError, match="voice 'Anna' was stored with other weights"):
        named(talk(("Speaker 1", 5.0)), Heard(axis(0)), [voice("Anna", 0, "cd" * 32)])  # type: ignore[arg-type]


def test_a_voice_is_made_of_enough_speech_of_one_person(data: Path, weight, tmp_path: Path) -> None:
    weight("silero-vad", "segmentation", "campplus")
    ravdess = data / "audio" / "ravdess"
    clips = [ravdess / f"03-01-0{mood}-01-01-01-01.opus" for mood in (1, 2)]
    made = enrolled("Anna", clips)
    assert made.seconds >= 3.0 and np.linalg.norm(made.vector) == pytest.approx(1, abs=1e-4)
    again = enrolled("Anna", clips[::-1])
    assert np.dot(made.vector, again.vector) > 0.999
    with pytest.raises(InputError, match=r"s of speech for 'Anna': expected at least 3 s"):
        enrolled("Anna", clips[:1])


def test_two_voices_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Two:
        count = 2

    monkeypatch.setattr(speakers.weights, "require", lambda names: None)
    monkeypatch.setattr(speakers, "decode_mono", lambda path: type("Sound", (), {"samples": np.zeros(9, np.int16)}))
    monkeypatch.setattr(speakers, "detect_speech", lambda samples: [])
    monkeypatch.setattr(speakers, "diarise", lambda samples, speech: Two())
    with pytest.raises(InputError, match=r"both\.wav: 2 voices were heard; give a recording in which only Anna speaks"):
        enrolled("Anna", [Path("both.wav")])
    with pytest.raises(InputError, match="0.0 s of speech for 'Anna'"):  # the next reason: it is no longer that one
        enrolled("Anna", [Path("both.wav")], one_person=True)
