"""What is measured on a clip: its sound and words, how near two texts are, and the faces in its frames.

A task names one such measurement and everything that its result depends on; the result is a dictionary of arrays. The
same task gives the same result in any process, so that results are kept by the task's key and never made twice.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from merc import cache
from merc.conversation import Segment
from merc.errors import InputError, MediaError
from merc.weights import WEIGHTS

if TYPE_CHECKING:
    from merc.features.face import FaceEncoder
    from merc.features.text import TextEncoder
    from merc.features.voice import VoiceEncoder
    from merc.people.faces import FaceDetector
    from merc.speech.asr import Recognizer

VERSION = 3
"""Raised when a measurement starts to give other results for the same task."""
HEIGHT = 720
"""Largest height in pixels of a frame: beyond it faces gain nothing for vectors of 160 × 160."""
NEAR = (-0.4, -0.2, 0.2, 0.4)
"""Seconds from a frame at which a face is looked for where the frame has none of the speaker."""
LONGEST = 24 * 3600.0
"""Most seconds that a recording is believed to last: a damaged head may speak of centuries."""
SLACK = 0.3
"""Seconds by which a recording may end before its last utterance without anything being lost."""

Measured = dict[str, np.ndarray]

_WEIGHTS = {
    "sound": ("silero-vad", "whisper-base", "campplus"),
    "words": ("mpnet",),
    "faces": ("mtcnn", "facenet"),
    "around": ("mtcnn", "facenet"),
}


@dataclass(frozen=True, slots=True)
class Task:
    """One measurement: ``part`` is "sound", "faces", "around" (faces near the frames) or "words" (two ``texts``).

    ``start`` and ``end`` in seconds cut the utterance out of a longer recording; None: the file is the utterance.
    """

    part: str
    path: str = ""
    start: float | None = None
    end: float | None = None
    language: str = "en"
    texts: tuple[str, ...] = ()
    stamp: tuple[int, int] = (0, 0)

    @property
    def key(self) -> str:
        """The name of the result: the file by its last folders, size and time of change, never its bytes (a corpus is
        larger than a resumed run should read), the options and the weights."""
        place = "/".join(Path(self.path).parts[-3:])
        weights = [WEIGHTS[name].sha256 for name in _WEIGHTS.get(self.part, ())]
        language = self.language if self.part == "sound" else ""
        return cache.key(VERSION, self.part, place, self.stamp, self.start, self.end, language, self.texts, weights)


class Clip(Protocol):
    """Where an utterance is recorded."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def segment(self) -> Segment | None:
        """The utterance's part of the file; None: all of it."""


def clip_task(part: str, clip: Clip, *, language: str = "en") -> Task:
    """The task of measuring a part of an utterance's clip; a file that is not there has the stamp (0, 0)."""
    try:
        status = clip.path.stat()
        stamp = (status.st_size, status.st_mtime_ns)
    except OSError:
        stamp = (0, 0)
    start, end = (None, None) if clip.segment is None else (clip.segment.start, clip.segment.end)
    return Task(part, str(clip.path), start, end, language=language, stamp=stamp)


def look_times(start: float, end: float) -> list[float]:
    """When an utterance is looked at: 0.5, 1.5, 2.5, … s into it; the middle of one that is shorter than 0.5 s."""
    times = [start + 0.5 + n for n in range(int(max(0.0, end - start)) + 1) if start + 0.5 + n < end]
    return times or [(start + end) / 2]


def near_times(start: float, end: float, *, limit: float) -> list[float]:
    """The times just before and after `look_times`, within the recording of ``limit`` seconds, rising."""
    times = {round(time + step, 3) for time in look_times(start, end) for step in NEAR}
    return sorted(time for time in times if 0 <= time < limit)


class Measurer:
    """Measures tasks, loading each model when a task first needs it; one a process, on one thread."""

    def __init__(self) -> None:
        self._heard: tuple[str, Any, np.ndarray] | None = None

    def __call__(self, task: Task) -> Measured:
        """Measure; raises MediaError for a clip that cannot be read, InputError for a part that does not exist."""
        parts = {"sound": self._sound, "words": self._words, "faces": self._faces, "around": self._faces}
        if task.part not in parts:
            raise InputError(f"part '{task.part}': expected {', '.join(parts)}")
        return parts[task.part](task)

    def _sound(self, task: Task) -> Measured:
        from merc.speech.asr import windows
        from merc.speech.vad import detect_speech

        decoded, whole = self._decoded(task.path)
        samples = _cut(whole, task)
        speech = detect_speech(samples) if len(samples) else []
        words = []
        for window in windows(speech, samples=samples):
            words += self._recognizer.transcribe(samples, window, task.language, speech=speech)
        spoken = [samples[int(s.start * 16000) : int(s.end * 16000)] for s in speech]
        voice = self._voices.encode([np.concatenate(spoken)])[0] if spoken else np.full(192, np.nan, np.float32)
        return {
            "channel": np.array(decoded.channel),
            "seconds": np.array(len(samples) / 16000),
            "declared": np.array(_declared(task)),
            "lost": np.array(_lost(decoded.lost, len(samples) / 16000, task)),
            "peak": np.array(int(np.abs(samples.astype(np.int32)).max(initial=0))),
            "speech": np.array(sum(s.duration for s in speech)),
            "heard": np.array(" ".join(word.text for word in words)),
            "voice": voice,
        }

    def _decoded(self, path: str) -> tuple[Any, np.ndarray]:
        """The decoded sound of a file; that of the last one is kept, for utterances of one recording follow."""
        from merc.media.audio import decode_audio, read_audio

        if self._heard is None or self._heard[0] != path:
            self._heard = None
            with tempfile.TemporaryDirectory(prefix="merc-") as folder:
                target = Path(folder) / "sound.npy"
                decoded = decode_audio(path, target)
                self._heard = (path, decoded, np.array(read_audio(target)))
        return self._heard[1:]

    def _words(self, task: Task) -> Measured:
        one, other = self._texts.encode(list(task.texts))
        return {"cosine": np.array(float(one @ other))}

    def _faces(self, task: Task) -> Measured:
        from merc.media.forward import VideoOptions
        from merc.media.video import frames

        start, end, limit = _extent(task)
        times = near_times(start, end, limit=limit) if task.part == "around" else look_times(start, end)
        found = _Found()
        pictures = frames(task.path, times, height=HEIGHT, options=VideoOptions(threads=1))
        for frame in pictures:
            found.add(frame.time, frame.image, self._detector)
        arrays = found.arrays(self._faces_encoder)
        return arrays | {"wanted": np.array(times), "lost": np.array(pictures.lost or "")}

    @cached_property
    def _recognizer(self) -> Recognizer:
        from merc.speech.asr import Recognizer

        return Recognizer()

    @cached_property
    def _voices(self) -> VoiceEncoder:
        from merc.features.voice import VoiceEncoder

        return VoiceEncoder()

    @cached_property
    def _texts(self) -> TextEncoder:
        from merc.features.text import TextEncoder

        return TextEncoder(threads=1, precision="float32")

    @cached_property
    def _detector(self) -> FaceDetector:
        import cv2

        from merc.people.faces import FaceDetector

        cv2.setNumThreads(1)
        return FaceDetector()

    @cached_property
    def _faces_encoder(self) -> FaceEncoder:
        from merc.features.face import FaceEncoder

        return FaceEncoder()


class _Found:
    """Gathers the faces of frames: when, where, how probable, and the cropped pictures until they are embedded."""

    def __init__(self) -> None:
        self.frames: list[float] = []
        self.rows: list[tuple[float, np.ndarray, float]] = []
        self.crops: list[np.ndarray] = []

    def add(self, time: float, image: np.ndarray, detector: FaceDetector) -> None:
        from merc.features.face import crop

        height, width = image.shape[:2]
        self.frames.append(time)
        faces = detector.detect(image)
        for box, score in zip(faces.boxes, faces.scores, strict=True):
            self.rows.append((time, box / np.array([width, height, width, height]), float(score)))
            self.crops.append(crop(image, box, detector.options.margin))

    def arrays(self, encoder: FaceEncoder) -> Measured:
        embeddings = encoder.encode(np.stack(self.crops)) if self.crops else np.zeros((0, 512), np.float32)
        return {
            "frames": np.array(self.frames, np.float64),
            "times": np.array([row[0] for row in self.rows], np.float64),
            "boxes": np.array([row[1] for row in self.rows], np.float64).reshape(-1, 4),
            "scores": np.array([row[2] for row in self.rows], np.float64),
            "embeddings": embeddings,
        }


def _cut(samples: np.ndarray, task: Task) -> np.ndarray:
    """The samples of the utterance; raises MediaError where its times lie past the end of the recording."""
    if task.start is None or task.end is None:
        return samples
    piece = samples[round(task.start * 16000) : round(task.end * 16000)]
    if not len(piece):
        raise _too_early(task, len(samples) / 16000)
    return piece


def _lost(lost: str | None, seconds: float, task: Task) -> str:
    """What was lost of an utterance: of its file where that is its own, else where the recording ends too early."""
    if task.start is None or task.end is None:
        return lost or ""
    gone = task.end - task.start - seconds
    return f"the recording ends {gone:.1f} s before the utterance" if gone > SLACK else ""


def _declared(task: Task) -> float:
    """How many seconds the utterance should last, by its times or by what its file says of itself."""
    from merc.media.container import probe

    if task.start is not None and task.end is not None:
        return task.end - task.start
    return probe(task.path).duration


def _extent(task: Task) -> tuple[float, float, float]:
    """Where the utterance begins and ends in its recording, and where the recording ends, in seconds.

    An end past that of the recording is cut; raises MediaError without video, and where the utterance lies past it.
    """
    from merc.media.container import probe

    found = probe(task.path)
    if found.video is None:
        raise MediaError(f"{Path(task.path).name}: holds no video; expected a video stream for the step 'face'")
    limit = min(found.duration, LONGEST)
    if task.start is None or task.end is None:
        return 0.0, limit, limit
    if task.start >= limit:
        raise _too_early(task, limit)
    return task.start, min(task.end, limit), limit


def _too_early(task: Task, seconds: float) -> MediaError:
    return MediaError(
        f"{Path(task.path).name}: ends at {seconds:.2f} s, before the utterance from {task.start:.2f} "
        f"to {task.end:.2f} s; check the annotation's times"
    )


class Store:
    """The results of tasks below one folder, one file each, complete or absent; safe to delete."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, task: Task) -> Path:
        """Where the result of a task lies, present or not."""
        key = task.key
        return self.folder / task.part / key[:2] / f"{key}.npz"

    def has(self, task: Task) -> bool:
        """Whether the task is done."""
        return self.path(task).exists()

    def save(self, task: Task, measured: Mapping[str, np.ndarray]) -> None:
        """Keep a result."""
        with cache.replacing(self.path(task)) as temporary, temporary.open("wb") as file:
            np.savez(file, **measured)  # type: ignore[arg-type]

    def load(self, task: Task) -> Measured:
        """The result of a task that is done."""
        with np.load(self.path(task), allow_pickle=False) as stored:
            return {name: stored[name] for name in stored.files}


def failed(reason: str) -> Measured:
    """The result that is kept of a measurement that failed."""
    return {"failed": np.array(reason)}


def failure(measured: Mapping[str, np.ndarray]) -> str | None:
    """Why a measurement failed, or None."""
    return str(measured["failed"]) if "failed" in measured else None
