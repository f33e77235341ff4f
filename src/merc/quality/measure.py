"""What is measured on a clip: its sound and words, how near two texts are, and the faces in its frames.

A task names one such measurement and everything that its result depends on; the result is a dictionary of arrays. The
same task gives the same result in any process, so that results are kept by the task's key and never made twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from merc import cache
from merc.conversation import Segment
from merc.errors import InputError
from merc.media.clip import RATE, ClipDecoder, NoVideo, cut, extent_of, frame_times, offset_times, too_early
from merc.storage.remote import fetched
from merc.weights import WEIGHTS

if TYPE_CHECKING:
    from merc.features.encoder import Encoder
    from merc.people.faces import FaceObserver
    from merc.speech.asr import Recognizer

VERSION = 4
"""Raised when a measurement starts to give other results for the same task."""
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


class Measurer:
    """Measures tasks, loading each model when a task first needs it; one a process.

    Args:
        device: Where encoders run; see `merc.nn.device.resolve`. Speech recognition and MTCNN stay on the CPU.
    """

    def __init__(self, *, device: str = "cpu") -> None:
        self._device = device
        self._decoder = ClipDecoder()

    def __call__(self, task: Task) -> Measured:
        """Measure; raises MediaError for a clip that cannot be read, InputError for a part that does not exist."""
        parts = {"sound": self._sound, "words": self._words, "faces": self._faces, "around": self._faces}
        if task.part not in parts:
            raise InputError(f"part '{task.part}': expected {', '.join(parts)}")
        with fetched(task.path) as path:
            return parts[task.part](replace(task, path=str(path)))

    def _sound(self, task: Task) -> Measured:
        from merc.speech.vad import detect_speech
        from merc.speech.windows import windows

        decoded = self._decoder.sound(task.path)
        samples = samples_of(task, decoded.samples)
        speech = detect_speech(samples) if len(samples) else []
        words = []
        for window in windows(speech, samples=samples):
            words += self._recognizer.transcribe(samples, window, task.language, speech=speech)
        spoken = [samples[int(s.start * RATE) : int(s.end * RATE)] for s in speech]
        voice = np.full(self._voices.shape, np.nan, np.float32)
        return {
            "channel": np.array(decoded.channel),
            "seconds": np.array(len(samples) / RATE),
            "declared": np.array(_declared(task)),
            "lost": np.array(_lost(decoded.lost, len(samples) / RATE, task)),
            "peak": np.array(int(np.abs(samples.astype(np.int32)).max(initial=0))),
            "speech": np.array(sum(s.duration for s in speech)),
            "heard": np.array(" ".join(word.text for word in words)),
            "voice": self._voices.encode([np.concatenate(spoken)])[0] if spoken else voice,
        }

    def _words(self, task: Task) -> Measured:
        one, other = self._texts.encode(list(task.texts))
        return {"cosine": np.array(float(one @ other))}

    def _faces(self, task: Task) -> Measured:
        try:
            extent = extent_of(task.path, task.start, task.end)
        except NoVideo as error:
            return {**failed(str(error)), "sound_only": np.array(True)}
        times = offset_times(extent) if task.part == "around" else frame_times(extent)
        pictures = self._decoder.frames(task.path, times)
        seen = self._observer.observe(pictures)
        return {
            "frames": seen.frame_times,
            "times": seen.times,
            "boxes": seen.boxes,
            "scores": seen.scores,
            "embeddings": seen.embeddings,
            "wanted": np.array(times),
            "lost": np.array(pictures.lost or ""),
        }

    @cached_property
    def _recognizer(self) -> Recognizer:
        from merc.speech.asr import Recognizer

        return Recognizer()

    @cached_property
    def _voices(self) -> Encoder:
        from merc.features.encoder import ENCODERS

        return ENCODERS["campplus"](device=self._device)

    @cached_property
    def _texts(self) -> Encoder:
        from merc.features.text import TextEncoder

        return TextEncoder(precision="float32", device=self._device)

    @cached_property
    def _observer(self) -> FaceObserver:
        import cv2

        from merc.features.encoder import ENCODERS
        from merc.people.faces import EVERY_FRAME, FaceObserver

        cv2.setNumThreads(1)
        return FaceObserver(EVERY_FRAME, identity=ENCODERS["facenet"](device=self._device))


def samples_of(task: Task, samples: np.ndarray) -> np.ndarray:
    """The samples of the utterance; raises MediaError where its times lie past the end of the recording."""
    if task.start is None or task.end is None:
        return np.asarray(samples)
    piece = cut(samples, task.start, task.end)
    if not len(piece):
        raise too_early(task.path, (task.start, task.end), len(samples) / RATE)
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


def sound_only(measured: Mapping[str, np.ndarray]) -> bool:
    """Whether faces could not be looked for because the recording is sound alone."""
    return "sound_only" in measured


def failure(measured: Mapping[str, np.ndarray]) -> str | None:
    """Why a measurement failed, or None."""
    return str(measured["failed"]) if "failed" in measured else None
