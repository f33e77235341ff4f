"""Faces of a recording: which frames are read, what is cached, and why a face is missing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from merc import AnalyzeOptions, Segment, Utterance
from merc.cache import Cache
from merc.media.audio import Probe, VideoInfo
from merc.people.diarise import Turn
from merc.people.faces import FaceObservations
from merc.people.mouth import RATE, STEPS
from merc.pipeline import watching
from merc.pipeline.listening import AudioResult
from merc.pipeline.options import Job
from merc.pipeline.transcription import Transcription
from merc.pipeline.watching import BLOCK, detect_faces, link_faces

loaded: list[object] = []
VIDEO = VideoInfo("h264", 640, 360, 25.0, 0)


def spoken(*spans: tuple[float, float] | None) -> AudioResult:
    utterances = tuple(Utterance(f"u{n}", segment=Segment(*span) if span else None) for n, span in enumerate(spans))
    turns = tuple(Turn(0, one.segment) for one in utterances if one.segment)
    return AudioResult(None, utterances, (0,) * len(utterances), turns, (), Transcription(), ())


def job(folder: Path, *, stream: VideoInfo | None = VIDEO, duration: float = 900.0, **options: Any) -> Job:
    probe = Probe("mp4", duration, None, stream)
    return Job(folder / "a.mp4", probe, "f" * 64, AnalyzeOptions(**options), Cache(folder / "cache"))


@dataclass
class Pictures:
    """Requested frames."""

    times: list[float]
    lost: str | None = None

    def __iter__(self) -> Any:
        return iter(self.times)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[list[float]]:
    """The times of the frames that were read; every second one shows one face of one person."""
    calls: list[list[float]] = []
    loaded.clear()

    def frames(path: Path, times: list[float], *, grey: list[float], **options: Any) -> Pictures:
        calls.extend([list(times), list(grey)])
        return Pictures(list(times), "the end is missing" if max(times, default=0) > 600 else None)

    def observe(pictures: Iterable[float]) -> FaceObservations:
        times = np.array(list(pictures)[::2])
        count = len(times)
        return FaceObservations(
            times=times,
            boxes=np.tile([0.2, 0.2, 0.5, 0.6], (count, 1)),
            scores=np.ones(count),
            embeddings=np.tile(np.eye(512, dtype=np.float32)[0], (count, 1)),
            expressions=np.zeros((count, 4), np.float16),
            mouth=np.full((count, STEPS), np.nan),
            upper=np.full((count, STEPS), np.nan),
            cut=np.zeros((count, 2), bool),
            tracks=np.zeros(count, np.int64),
            people=np.zeros(count, np.int64),
            frame_times=times,
        )

    class Observer:
        def __init__(self) -> None:
            loaded.append(self)

        def observe(self, pictures: Iterable[float], **more: Any) -> FaceObservations:
            return observe(pictures)

    class Head:
        card: ClassVar[Any] = {"weights": {"sha256": "ab" * 32}}

        @classmethod
        def load(cls, name: str) -> Head:
            return cls()

        def emotion_vector(self, features: np.ndarray) -> np.ndarray:
            return np.full((len(features), 128), 2.0, np.float32)

    monkeypatch.setattr(watching, "frames", frames)
    monkeypatch.setattr(watching, "FaceObserver", lambda options: Observer())
    monkeypatch.setattr(watching, "Head", Head)
    return calls


def test_frames_within_utterances_are_read_and_between_them_brightness(tmp_path: Path, read: list[list[float]]) -> None:
    found = detect_faces(job(tmp_path), spoken((10, 12)))
    times, grey = read
    assert times == sorted(times) and all(10 <= time < 12 for time in times)
    assert len(grey) > 2 * RATE and set(np.round(np.diff(grey), 2)) <= {0.08, 0.09, 0.16, 0.17}
    assert found.faces is not None and found.reason is None


def test_a_recording_is_read_in_blocks_and_each_is_cached(tmp_path: Path, read: list[list[float]]) -> None:
    audio = spoken((10, 12), (BLOCK + 10, BLOCK + 12), (2 * BLOCK + 10, 2 * BLOCK + 12))
    first = detect_faces(job(tmp_path), audio)
    assert [int(times[0] // BLOCK) for times in read[::2]] == [0, 1, 2]
    again = detect_faces(job(tmp_path), audio)
    assert len(read) == 6
    assert len(loaded) == 1, "expected one set of models for all blocks, and none for what is cached"
    assert again.faces is not None and first.faces is not None
    np.testing.assert_array_equal(again.faces.times, first.faces.times)
    assert first.notes == again.notes == ("the end is missing",)


def test_what_is_kept_of_an_expression_is_its_emotion_vector(tmp_path: Path, read: list[list[float]]) -> None:
    found = detect_faces(job(tmp_path), spoken((10, 12)))
    assert found.faces is not None
    assert found.faces.expressions.shape[1] == 128
    assert (found.faces.expressions == 2).all()


def test_nothing_is_read_past_the_end(tmp_path: Path, read: list[list[float]]) -> None:
    detect_faces(job(tmp_path, duration=11.0), spoken((10, 12)))
    assert max(read[0]) < 11.0 and max(read[1]) < 11.0


def test_without_utterances_there_are_no_faces(tmp_path: Path, read: list[list[float]]) -> None:
    found = detect_faces(job(tmp_path), spoken())
    assert found.faces is not None and len(found.faces) == 0
    assert read == []


@pytest.mark.parametrize(
    ("video", "wanted", "reason"),
    [(None, True, "the recording has no video"), (VIDEO, False, "faces were not looked for")],
)
def test_each_utterance_gets_the_reason_why_there_are_no_faces(
    tmp_path: Path, video: VideoInfo | None, wanted: bool, reason: str
) -> None:
    audio = spoken((1, 2), (3, 4))
    linked = link_faces(audio, detect_faces(job(tmp_path, stream=video, video=wanted), audio))
    assert [face.reason for face in linked.faces] == [reason] * 2
    assert linked.linked(0) == (False, reason)


def test_the_face_of_the_only_voice_is_linked_and_untimed_utterances_have_none(
    tmp_path: Path, read: list[list[float]]
) -> None:
    audio = spoken((10, 14), None)
    linked = link_faces(audio, detect_faces(job(tmp_path), audio))
    assert linked.linked(0) == (True, None)
    assert linked.faces[0].expressions is not None
    assert linked.faces[1].reason == "it is not known when the utterance was said"
