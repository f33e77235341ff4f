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

    def __init__(self, *missing: int) -> None:
        self.missing = missing
        made = SimpleNamespace(width=3, encode=lambda cuts: [np.array([9.0, 0, 0])] * len(cuts))
        self.job = SimpleNamespace(device="cpu", models=SimpleNamespace(encoder=lambda name, device: made))

    def by_utterance(self, encoder: object) -> list[np.ndarray | None]:
        return [None if n in self.missing else 5 * ALIKE[n % 2] for n in range(6)]


def run(audio: AudioResult, faces: FaceObservations | None, *missing: int, **options: int) -> AudioResult:
    sounds: Any = Sounding(*missing)
    return seen_and_heard(audio, DetectedFaces(faces), sounds, AnalyzeOptions(**options))


def test_faces_that_speak_part_voices_that_sound_alike() -> None:
    found = run(heard(), filmed((SPEAKS, SPEAKS)))
    assert found.voices == (0, 1) * 3
    assert [one.speaker for one in found.utterances] == ["Speaker 1", "Speaker 2"] * 3
    assert [turn.speaker for turn in found.turns] == [0, 1] * 3


def test_an_utterance_without_a_voice_vector_goes_to_the_face_that_speaks() -> None:
    assert run(heard(), filmed((SPEAKS, SPEAKS)), 3).voices == (0, 1) * 3


def test_an_utterance_that_is_not_clearly_speech_counts_little_and_one_too_short_nothing() -> None:
    audio = heard()
    spoken = [
        replace(one, segment=Segment(one.segment.start, one.segment.start + 0.3))
        for one in audio.utterances[:1]
        if one.segment
    ]
    audio = replace(audio, utterances=(*spoken, *audio.utterances[1:]))
    known: Any = {place: one.segment for place, one in enumerate(audio.utterances)}
    sounds: Any = Sounding(0, 3)
    voiced = speakers._voiced(audio, known, sounds)
    assert voiced.weights == pytest.approx([speakers.UNHEARD, 1, 1, speakers.SHORT, 1, 1])
    assert np.linalg.norm(voiced.vectors, axis=1) == pytest.approx([0, 1, 1, 1, 1, 1])


def test_an_utterance_of_unknown_voice_stays_unknown() -> None:
    assert run(heard(voices=(0, 0, None, 0, 0, 0)), filmed((SPEAKS, SPEAKS))).voices == (0, 1, None, 1, 0, 1)


def test_the_number_of_speakers_is_kept_where_it_is_given() -> None:
    faces = filmed((SPEAKS, SPEAKS))
    for options, count in (
        ({"speakers": 1}, 1),
        ({"speakers": 3}, 3),
        ({"min_speakers": 4}, 4),
        ({"max_speakers": 1}, 1),
    ):
        assert len(set(run(heard(), faces, **options).voices)) == count, options
    assert len(set(run(heard(), faces, min_speakers=1, max_speakers=5).voices)) == 2


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
