"""Preparing looks at the same frames as a check, those around them included where the speaker is not seen."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import iemocap
from merc.people.faces import FaceObservations
from merc.people.link import Bank
from merc.prepare.clip import Clip, ClipEncoder, Part, reason_of
from merc.quality.faces import Likeness
from merc.quality.measure import Measurer, clip_task
from merc.quality.options import CheckOptions
from merc.quality.utterances import Clip as Recorded
from merc.quality.utterances import subjects_of
from tests.corpora import trees
from tests.media.making import Film, Sound, record, tone

ANN, BEN = np.eye(512, dtype=np.float32)[:2]
DIALOGUE = [Conversation("d0", (Utterance("a", "Ann", "words"), Utterance("b", "Ben", "words")))]


class Seeing:
    """Stands in for the observer of faces: Ann is seen at some times, Ben at the others; keeps the frames."""

    def __init__(self, ann_at: tuple[float, ...]) -> None:
        self.ann_at = ann_at
        self.looked: list[tuple[float, bytes]] = []

    def observe(self, frames: Any) -> FaceObservations:
        seen = [(frame.time, frame.image.tobytes()) for frame in frames]
        self.looked += seen
        times = np.array([time for time, _ in seen])
        faces = np.array([ANN if any(abs(t - a) < 0.01 for a in self.ann_at) else BEN for t in times]).reshape(-1, 512)
        boxes = np.tile([0.1, 0.1, 0.4, 0.5], (len(times), 1))
        one, none = np.ones(len(times)), np.zeros(len(times), np.int64)
        return FaceObservations(times, boxes, one, faces, faces, *[one] * 3, none, none, times, {"double": 2 * faces})


@pytest.fixture
def movie(tmp_path: Path) -> Path:
    """Four seconds whose frames all differ."""
    sound = Sound(tone(300, 4.0, rate=16000)[None], rate=16000)
    return record(tmp_path / "a.mp4", sound=sound, film=Film(tuple(n / 25 for n in range(100)), moving=True))


def prepared(movie: Path, part: Part, seeing: Seeing, *, features: tuple[str, ...] = ("facenet",)) -> dict[str, Any]:
    encoder = ClipEncoder()
    encoder._observer = lambda features: seeing  # type: ignore[method-assign]
    encoder._encoder = lambda name: SimpleNamespace(input="face", pooled_from="")  # type: ignore[method-assign]
    return encoder(Clip(str(movie), (part,), features))


def checked(movie: Path, segment: Segment, parts: tuple[str, ...], seeing: Seeing) -> None:
    measurer = Measurer()
    measurer.__dict__["_observer"] = seeing
    for part in parts:
        measurer(clip_task(part, Recorded(movie, segment)))


@pytest.mark.parametrize("segment", [Segment(0.2, 3.6), Segment(1.0, 1.9), Segment(2.0, 2.3), Segment(3.0, 60.0)])
def test_check_and_prepare_see_the_same_frames(movie: Path, segment: Segment) -> None:
    check, prepare = Seeing(()), Seeing(())
    checked(movie, segment, ("faces",), check)
    prepared(movie, Part(segment.start, segment.end), prepare)
    assert check.looked and check.looked == prepare.looked, "other frames of the utterance"
    # Ann is looked for and not seen: the frames around are searched too
    check, prepare = Seeing(()), Seeing(())
    checked(movie, segment, ("faces", "around"), check)
    prepared(movie, Part(segment.start, segment.end, ANN.tobytes()), prepare)
    assert check.looked == prepare.looked and len(check.looked) > 1, "other frames around the utterance's"


def test_a_speaker_who_is_seen_just_before_has_a_face(movie: Path) -> None:
    part = Part(0.0, 3.4, ANN.tobytes())
    found = prepared(movie, part, Seeing((1.3,)), features=("facenet", "double"))
    np.testing.assert_array_equal(found["facenet/0"], ANN[None])
    np.testing.assert_array_equal(found["double/0"], 2 * ANN[None])
    assert reason_of(found, "facenet", 0) is None
    seen = prepared(movie, part, Seeing((0.5, 1.3)))
    np.testing.assert_array_equal(seen["facenet/0"], ANN[None])  # the sampled frame alone


def test_a_speaker_who_is_not_seen_has_the_reason(movie: Path) -> None:
    found = prepared(movie, Part(0.0, 3.4, ANN.tobytes()), Seeing(()), features=("facenet", "double"))
    why = "none of 3 faces in 3 frames is the speaker's (best cosine 0.00, at least 0.3 wanted), nor just before or "
    assert reason_of(found, "facenet", 0) == reason_of(found, "double", 0) == f"{why}after them"
    late = prepared(movie, Part(50.0, 51.0), Seeing(()))
    said = reason_of(late, "facenet", 0)
    assert said is not None and "before the utterance from 50.00 to 51.00 s" in said


def observed(*seen: tuple[float, str, np.ndarray]) -> FaceObservations:
    """Faces by time, side of the picture ("left", "right") and embedding; the right ones are larger."""
    times = np.array([time for time, *_ in seen])
    boxes = np.array([[0.1, 0.1, 0.3, 0.4] if side == "left" else [0.5, 0.0, 0.9, 0.9] for _, side, _ in seen])
    faces = np.array([face for *_, face in seen], np.float32)
    one, none = np.ones(len(times)), np.zeros(len(times), np.int64)
    return FaceObservations(times, boxes, one, faces, faces, *[one] * 3, none, none, np.unique(times))


def shown(movie: Path, clip: Clip, seen: FaceObservations) -> dict[str, Any]:
    encoder = ClipEncoder()
    encoder._observer = lambda features: SimpleNamespace(observe=lambda frames: seen)  # type: ignore[assignment, method-assign]
    encoder._encoder = lambda name: SimpleNamespace(input="face", pooled_from="")  # type: ignore[assignment, method-assign]
    return encoder(clip)


BETWEEN = np.asarray(0.5 * ANN + 0.6 * BEN, np.float32)  # like Ann, and more like Ben


def test_a_face_that_is_more_like_another_speaker_is_not_encoded_as_a_check_does_not_count_it(movie: Path) -> None:
    seen = observed((0.5, "left", BETWEEN))
    part = Part(0.0, 1.0, ANN.tobytes())
    alone = shown(movie, Clip(str(movie), (part,), ("facenet",)), seen)
    assert alone["facenet/0"].shape == (1, 512)
    rival = Clip(str(movie), (Part(0.0, 1.0, ANN.tobytes(), (BEN.tobytes(),)),), ("facenet",))
    found = shown(movie, rival, seen)
    assert "facenet/0" not in found
    assert "and more than to others of the dialogue" in (reason_of(found, "facenet", 0) or "")
    strict = Clip(str(movie), (replace(part, likeness=0.7),), ("facenet",))
    assert "at least 0.7 wanted)" in (reason_of(shown(movie, strict, seen), "facenet", 0) or "")
    subjects = subjects_of(DIALOGUE, CheckOptions())
    for subject in subjects:
        subject.speaker = subject.name
    likeness = Likeness(Bank({"Ann": ANN[None], "Ben": BEN[None]}), subjects, rivals=True)
    measured = {"embeddings": seen.embeddings, "times": seen.times}
    assert [likeness.best(one, measured) is None for one in subjects] == [True, False]


def test_on_a_split_screen_the_face_is_the_speaker_s_on_the_side_where_they_sit(movie: Path) -> None:
    """Ann sits on the left, Ben, larger, on the right; once only Ben is found, with a face that is like Ann's too."""
    alike = np.asarray(0.6 * ANN + 0.5 * BEN, np.float32)
    seen = observed(
        (0.5, "left", ANN), (0.5, "right", BEN), (1.5, "left", ANN), (1.5, "right", BEN), (2.5, "right", alike)
    )
    parts = [
        Part(0.0, 1.0, ANN.tobytes(), (BEN.tobytes(),)),
        Part(1.0, 2.0, BEN.tobytes(), (ANN.tobytes(),)),
        Part(2.0, 3.0, ANN.tobytes(), (BEN.tobytes(),)),
    ]
    found = shown(movie, Clip(str(movie), tuple(parts), ("facenet",), split_screen=True), seen)
    np.testing.assert_array_equal(found["facenet/0"], ANN[None])
    np.testing.assert_array_equal(found["facenet/1"], BEN[None])
    assert "facenet/2" not in found and "on the left, where the speaker sits" in str(reason_of(found, "facenet", 2))
    anywhere = shown(movie, Clip(str(movie), tuple(parts), ("facenet",)), seen)
    assert "facenet/2" in anywhere, "without sides the face of the other half is taken"


def test_a_dialogue_of_iemocap_is_a_split_screen(tmp_path: Path) -> None:
    root = trees.iemocap(tmp_path)
    assert all(one.split_screen for one in subjects_of(iemocap.conversations(root), CheckOptions()))
