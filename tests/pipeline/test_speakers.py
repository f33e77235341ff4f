"""Who says each utterance where there is a picture: which utterances take part, and when nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from merc import AnalyzeOptions, Segment, Utterance
from merc.people.faces import FaceObservations
from merc.pipeline import speakers
from merc.pipeline.listening import AudioResult
from merc.pipeline.speakers import seen_and_heard
from merc.pipeline.transcription import Transcription
from merc.pipeline.watching import DetectedFaces
from tests.people.test_link import seen_as

ALIKE = np.array([1.0, 0.35, 0.0]), np.array([1.0, -0.35, 0.0])
SPEAKS, LISTENS = 3.0, 0.5


def heard(count: int = 6, *, voices: tuple[int | None, ...] | None = None) -> AudioResult:
    """Utterances of four seconds that were all given one voice."""
    spoken = tuple(Utterance(f"u{n}", "Speaker 1", "Hello.", Segment(4 * n, 4 * n + 4)) for n in range(count))
    return AudioResult(
        np.zeros(16000 * 4 * count, np.int16), spoken, voices or (0,) * count, (), (), Transcription(), ()
    )


def filmed(mouths: tuple[float, float]) -> FaceObservations:
    """The speaker of each utterance is shown alone: person 0 in even ones, person 1 in odd ones."""
    return seen_as({t: [(int(t // 4) % 2, 0.2, mouths[int(t // 4) % 2])] for t in np.arange(0.5, 24)})


class Sounding:
    """Utterances that sound alike, by turns a little nearer to one of two voices."""

    device = "cpu"

    def __init__(self, *missing: int) -> None:
        self.missing = missing

    def by_utterance(self, encoder: object) -> list[np.ndarray | None]:
        return [None if n in self.missing else 5 * ALIKE[n % 2] for n in range(6)]


@pytest.fixture(autouse=True)
def encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    made = SimpleNamespace(width=3)
    monkeypatch.setattr(speakers, "ENCODERS", {"campplus": lambda device: made})


def run(audio: AudioResult, faces: FaceObservations | None, *missing: int, count: int | None = None) -> AudioResult:
    sounds: Any = Sounding(*missing)
    return seen_and_heard(audio, DetectedFaces(faces), sounds, AnalyzeOptions(speakers=count))


def test_faces_that_speak_part_voices_that_sound_alike() -> None:
    found = run(heard(), filmed((SPEAKS, SPEAKS)))
    assert found.voices == (0, 1) * 3
    assert [one.speaker for one in found.utterances] == ["Speaker 1", "Speaker 2"] * 3
    assert [turn.speaker for turn in found.turns] == [0, 1] * 3


def test_an_utterance_without_a_voice_vector_goes_to_the_face_that_speaks() -> None:
    assert run(heard(), filmed((SPEAKS, SPEAKS)), 3).voices == (0, 1) * 3


def test_an_utterance_of_unknown_voice_stays_unknown() -> None:
    assert run(heard(voices=(0, 0, None, 0, 0, 0)), filmed((SPEAKS, SPEAKS))).voices == (0, 1, None, 1, 0, 1)


def test_the_number_of_speakers_is_kept_where_it_is_given() -> None:
    assert set(run(heard(), filmed((SPEAKS, SPEAKS)), count=1).voices) == {0}
    assert len(set(run(heard(), filmed((SPEAKS, SPEAKS)), count=3).voices)) == 3


@pytest.mark.parametrize(
    "reason", ["no faces", "no sound", "named", "nobody seen speaks", "nobody seen", "no utterance"]
)
def test_voices_stay_where_the_picture_says_nothing(reason: str) -> None:
    audio, faces = heard(), filmed((SPEAKS, SPEAKS))
    changed, seen = {
        "no faces": (audio, None),
        "no sound": (replace(audio, samples=None), faces),
        "named": (replace(audio, named=True), faces),
        "nobody seen speaks": (audio, filmed((LISTENS, LISTENS))),
        "nobody seen": (audio, seen_as({30.5: [(0,)]})),
        "no utterance": (heard(0, voices=()), faces),
    }[reason]
    assert run(changed, seen) is changed
