"""Faces in frames: on made-up arrays, and on real clips where there are some."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np
import pytest

from merc.errors import InputError
from merc.people import faces as faces_module
from merc.people.faces import FaceDetector, FaceObservations, FaceOptions, observe


@dataclass
class Shot:
    time: float
    image: np.ndarray


def clip(path, times, grey=()):
    import av

    with av.open(str(path)) as container:
        wanted = list(times)
        for frame in container.decode(video=0):
            if wanted and frame.time >= wanted[0]:
                time = wanted.pop(0)
                yield Shot(time, frame.to_ndarray(format="gray" if time in grey else "rgb24"))


@pytest.fixture(scope="module")
def detector(weight):
    weight("mtcnn")
    return FaceDetector()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smallest": 0}, "faces: smallest is 0: expected more than 0"),
        (
            {"thresholds": (0.6, 0.7)},
            r"faces: thresholds is \(0.6, 0.7\): expected three probabilities in \(0, 1\)",
        ),
        ({"person_cosine": 1.5}, r"faces: person_cosine is 1.5: expected -1 to 1, a cosine"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        FaceOptions(**options)


def test_detector_finds_nothing_in_a_flat_or_tiny_image(detector):
    for size in ((360, 640), (20, 30), (8, 8)):
        found = detector.detect(np.full((*size, 3), 128, np.uint8))
        assert len(found) == 0 and found.landmarks.shape == (0, 5, 2)


def test_detector_refuses_what_is_no_picture(detector):
    with pytest.raises(InputError, match=r"image of shape \(4, 4\) and kind float64: expected \(h, w, 3\) uint8 RGB"):
        detector.detect(np.zeros((4, 4)))


def test_a_face_and_its_landmarks(data, detector):
    import cv2

    shot = next(clip(data / "clips" / "single_face.mp4", [0.5]))
    found = detector.detect(shot.image)
    assert len(found) == 1 and found.scores[0] > 0.99
    left, top, right, bottom = found.boxes[0]
    x, y = found.landmarks[0].T
    assert left < x[0] < x[2] < x[1] < right and left < x[3] < x[4] < right
    assert top < max(y[:2]) < y[2] < min(y[3:]) < bottom
    double = cv2.resize(shot.image, None, fx=2, fy=2)
    np.testing.assert_allclose(detector.detect(double).boxes / 2, found.boxes, atol=6)


def test_one_person_in_a_clip_and_nobody_in_another(data, weight):
    weight("mtcnn", "facenet")
    told = []
    shots = clip(data / "clips" / "single_face.mp4", [0.3, 0.417, 0.9, 1.0, 1.5], grey={0.417, 1.0})
    seen = observe(shots, expected=5, progress=lambda *news: told.append(news))
    assert seen.frame_times.tolist() == [0.3, 0.9, 1.5] == seen.times.tolist()  # in the others faces are followed
    assert seen.count == 1 and seen.people.tolist() == [0, 0, 0]
    assert np.isfinite(seen.mouth).sum(axis=1).tolist() == [1, 2, 1] == np.isfinite(seen.upper).sum(axis=1).tolist()
    assert ((seen.boxes > 0) & (seen.boxes < 1)).all() and seen.expressions.shape == (3, 14336)
    assert (seen.embeddings @ seen.templates().T).min() > 0.7
    assert told[-1] == ("faces", 5, 5)
    nobody = observe(clip(data / "clips" / "no_face.mp4", [0.5, 1.5, 2.5]))
    assert len(nobody) == 0 and nobody.count == 0 and len(nobody.frame_times) == 3
    assert nobody.templates().shape == (0, 512)


def test_observations_can_be_stored_and_read(tmp_path, data, weight):
    weight("mtcnn", "facenet")
    runs = [observe(clip(data / "clips" / "single_face.mp4", [0.3, 0.9])) for _ in range(2)]
    np.savez(tmp_path / "seen.npz", **runs[0].arrays())
    with np.load(tmp_path / "seen.npz") as stored:
        again = FaceObservations(**stored)
    for name, column in again.arrays().items():
        assert column.tobytes() == runs[1].arrays()[name].tobytes(), name


def test_frames_must_rise_and_repeats_are_passed_over(monkeypatch, detector, weight):
    weight("facenet")
    monkeypatch.setattr(faces_module, "FaceDetector", lambda options: detector)
    grey = np.full((40, 60, 3), 90, np.uint8)
    assert observe([Shot(1.0, grey), Shot(1.0, grey), Shot(2.0, grey)]).frame_times.tolist() == [1.0, 2.0]
    with pytest.raises(InputError, match=r"frame at 0.5 s follows one at 1.0 s: expected rising times; sort them"):
        observe([Shot(1.0, grey), Shot(0.5, grey)])


class Brightness:
    """Stands in for a face encoder: the mean of a crop, repeated."""

    def __init__(self, crop: str, width: int) -> None:
        self.crop, self.width, self.seen = crop, width, 0

    def encode(self, batch: np.ndarray) -> np.ndarray:
        self.seen += len(batch)
        return np.repeat(batch.mean((1, 2, 3), dtype=np.float64)[:, None], self.width, 1).astype(np.float32)


class OneFace:
    """Stands in for the detector: one face in every image."""

    def __init__(self, options):
        self.frames = 0

    def detect(self, image):
        self.frames += 1
        marks = np.array([[[45, 50], [75, 50], [60, 65], [50, 80], [70, 80]]], np.float32)
        return faces_module.Faces(np.array([[30, 30, 90, 100]], np.float64), np.array([0.9]), marks)


def test_faces_are_encoded_while_the_next_ones_are_found_and_one_batch_waits_at_most(monkeypatch):
    monkeypatch.setattr(faces_module, "FaceDetector", OneFace)
    found, starts = threading.Semaphore(0), []

    class Slow(Brightness):
        def encode(self, batch):
            starts.append(observer.detector.frames)
            assert found.acquire(timeout=20), "expected frames to be looked at meanwhile"
            return super().encode(batch)

    class Shots:
        def __iter__(self):
            for number in range(1, 51):
                yield Shot(0.1 * number, np.full((120, 120, 3), number, np.uint8))
                if number % 16 == 10:
                    found.release()

    observer = faces_module.FaceObserver(faces_module.EVERY_FRAME, identity=Slow("box", 512), encoders={})
    found.release()
    seen = observer.observe(Shots())
    assert seen.embeddings[:, 0].tolist() == list(range(1, 51))
    assert len(starts) == 4 and all(16 * n <= start <= 16 * n + 16 for n, start in enumerate(starts, 1) if n < 4)


def test_an_encoder_that_fails_ends_the_search(monkeypatch):
    monkeypatch.setattr(faces_module, "FaceDetector", OneFace)

    class Failing(Brightness):
        def encode(self, batch):
            raise MemoryError("too many faces")

    observer = faces_module.FaceObserver(faces_module.EVERY_FRAME, identity=Failing("box", 512), encoders={})
    shots = [Shot(0.1 * n, np.full((120, 120, 3), 10, np.uint8)) for n in range(3)]
    with pytest.raises(MemoryError, match="too many faces"):
        observer.observe(shots)


def test_every_encoder_gets_the_crops_it_reads(monkeypatch):
    monkeypatch.setattr(faces_module, "FaceDetector", OneFace)
    identity, other = Brightness("box", 512), Brightness("upright", 3)
    observer = faces_module.FaceObserver(faces_module.EVERY_FRAME, identity=identity, encoders={"other": other})
    shots = [Shot(0.1 * n, np.full((120, 120, 3), 10 * n, np.uint8)) for n in range(20)]
    seen = observer.observe(shots)
    assert len(seen) == 20 == identity.seen == other.seen, "every frame is looked at, however near"
    np.testing.assert_allclose(seen.encoded["other"][:, 0], [10 * n for n in range(20)], atol=1)
    assert seen.embeddings.shape == (20, 512) and seen.expressions.shape == (20, 0) and np.isnan(seen.mouth).all()
    assert "encoded" not in seen.arrays()
