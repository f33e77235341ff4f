"""A clip becomes features: its sound or its pictures are decoded once for all encoders and all of its utterances.

What cannot be encoded has a reason instead, for each utterance and feature: a clip that is damaged, has no sound or no
face costs nothing else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc.conversation import Segment
from merc.errors import MediaError, MissingExtra, OutputError, WeightError
from merc.quality.measure import LONGEST

if TYPE_CHECKING:
    from merc.features.prosody import ProsodyEncoder
    from merc.features.voice import VoiceEncoder
    from merc.features.whisper import WhisperEncoder
    from merc.people.faces import FaceObservations

SOUND = ("campplus", "egemaps", "whisper-base", "whisper-base-frames")
"""Features that are made from sound."""
SIGHT = ("facenet", "facenet-expression")
"""Features that are made from pictures."""
SHORTEST = {"campplus": 0.4, "egemaps": 0.1, "whisper-base": 0.1, "whisper-base-frames": 0.1}
"""Seconds of sound that a feature needs at least: the voice encoder's error rate rises steeply below a second."""
LIKENESS = 0.3
"""Least cosine, inclusive, of a face to the speaker's known face: the value of the published pipeline."""
HEIGHT = 720
"""Largest height in pixels of a frame: beyond it faces gain nothing for vectors of 160 × 160."""
RATE = 16_000

_FATAL = (WeightError, MissingExtra, OutputError)  # no clip's fault

Encoded = dict[str, np.ndarray]
"""``feature/number`` holds the array of the utterance of that number in its clip, ``feature/number/reason`` why there
is none."""


@dataclass(frozen=True, slots=True)
class Part:
    """One utterance of a clip: its stretch in seconds, None for the whole clip, and the speaker's known face.

    ``face`` holds the bytes of 512 float32 numbers of length one; None: the most prominent face is taken.
    """

    start: float | None = None
    end: float | None = None
    face: bytes | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """A file, the utterances in it, and the features that are wanted of them, all of sound or all of pictures."""

    path: str
    parts: tuple[Part, ...]
    features: tuple[str, ...]


class ClipEncoder:
    """Encodes clips, loading each encoder when a clip first needs it; one a process, on one thread."""

    def __call__(self, clip: Clip) -> Encoded:
        """Encode all utterances of a clip; raises WeightError, MissingExtra and OutputError, which no clip causes."""
        result: Encoded = {}
        encode = self._faces if set(clip.features) <= set(SIGHT) else self._sounds
        try:
            encode(clip, result)
        except _FATAL:
            raise
        except MediaError as error:
            for feature in clip.features:
                _missing(result, feature, range(len(clip.parts)), str(error))
        return result

    def _sounds(self, clip: Clip, result: Encoded) -> None:
        from merc.media.audio import decode_audio, read_audio, release

        with tempfile.TemporaryDirectory(prefix="merc-") as folder:
            target = Path(folder) / "sound.npy"
            decode_audio(clip.path, target)
            samples = read_audio(target)
            pieces = [_cut(samples, part) for part in clip.parts]
            for feature in clip.features:
                if feature != "whisper-base" or "whisper-base-frames" not in clip.features:  # one pass gives both
                    self._heard(feature, pieces, result)
                release(samples)
        if {"whisper-base", "whisper-base-frames"} <= set(clip.features):
            _layer_means(result)

    def _heard(self, feature: str, pieces: Sequence[np.ndarray], result: Encoded) -> None:
        """Encode pieces of sound into one feature."""
        fit = []
        for number, piece in enumerate(pieces):
            if reason := _no_sound(piece, SHORTEST[feature]):
                _missing(result, feature, [number], reason)
            else:
                fit.append(number)
        if not fit:
            return
        for number, row in zip(fit, self._encode(feature, [pieces[n] for n in fit]), strict=True):
            if np.isfinite(row).all():
                result[f"{feature}/{number}"] = row
            else:
                _missing(result, feature, [number], "the encoder gave no finite values for its sound")

    def _encode(self, feature: str, sounds: Sequence[np.ndarray]) -> Sequence[np.ndarray] | np.ndarray:
        if feature == "campplus":
            return self._voice.encode(sounds)
        if feature == "egemaps":
            return self._prosody.encode(sounds)
        return self._whisper.encode(sounds) if feature.endswith("frames") else self._whisper.layer_means(sounds)

    def _faces(self, clip: Clip, result: Encoded) -> None:
        from merc.media.forward import VideoOptions
        from merc.media.video import frames
        from merc.people.faces import FaceOptions, observe

        times = _look_times(clip)
        wanted = sorted({time for several in times for time in several})
        cv2_on_one_thread()
        pictures = frames(clip.path, wanted, height=HEIGHT, options=VideoOptions(threads=1))
        # every frame is looked at, however near the next: none serves the motion of mouths here
        seen = observe(pictures, options=FaceOptions(partner_gap=0.0, same_gap=0.0, motion_gap=1e-9))
        for number, (part, looked) in enumerate(zip(clip.parts, times, strict=True)):
            rows, reason = _speakers(seen, looked, part.face)
            if reason:
                for feature in clip.features:
                    _missing(result, feature, [number], reason)
            else:
                result[f"facenet/{number}"] = seen.embeddings[rows]
                result[f"facenet-expression/{number}"] = seen.expressions[rows]

    @cached_property
    def _voice(self) -> VoiceEncoder:
        from merc.features.voice import VoiceEncoder

        return VoiceEncoder()

    @cached_property
    def _prosody(self) -> ProsodyEncoder:
        from merc.features.prosody import ProsodyEncoder

        return ProsodyEncoder()

    @cached_property
    def _whisper(self) -> WhisperEncoder:
        from merc.features.whisper import WhisperEncoder

        return WhisperEncoder()


def reason_of(encoded: Encoded, feature: str, number: int) -> str | None:
    """Why an utterance of a clip has no array of a feature, or None."""
    key = f"{feature}/{number}"
    if key in encoded:
        return None
    for name in (f"{key}/reason", "failed"):
        if name in encoded:
            return str(encoded[name])
    return "the clip gave neither a vector nor a reason"


def cv2_on_one_thread() -> None:
    """Keep OpenCV from using all cores in each of several processes."""
    import cv2

    cv2.setNumThreads(1)


def _missing(result: Encoded, feature: str, numbers: Sequence[int], reason: str) -> None:
    for number in numbers:
        result[f"{feature}/{number}/reason"] = np.array(reason)


def _cut(samples: np.ndarray, part: Part) -> np.ndarray:
    start = round((part.start or 0.0) * RATE)
    end = len(samples) if part.end is None else round(part.end * RATE)
    return np.asarray(samples[start:end])


def _no_sound(piece: np.ndarray, shortest: float) -> str | None:
    if not len(piece):
        return "the recording ends before the utterance"
    if len(piece) < shortest * RATE:
        return f"{len(piece) / RATE:.2f} s of sound is too short (at least {shortest} s)"
    if not piece.any():
        return "the sound is silence throughout"
    return None


def _layer_means(result: Encoded) -> None:
    """Fill in 'whisper-base' from its frames, and its reasons from theirs."""
    for key in [key for key in result if key.startswith("whisper-base-frames/")]:
        short = key.replace("-frames", "", 1)
        result[short] = result[key] if key.endswith("reason") else _mean(result[key])


def _mean(frames: np.ndarray) -> np.ndarray:
    return np.asarray(frames.mean(axis=0, dtype=np.float64), np.float32)


def _look_times(clip: Clip) -> list[list[float]]:
    """When each utterance of a clip is looked at; raises MediaError for a clip without video."""
    from merc.media.container import probe
    from merc.media.video import sample_times

    found = probe(clip.path)
    if found.video is None:
        raise MediaError("the clip has no video")
    limit = min(found.duration, LONGEST)
    times = []
    for part in clip.parts:
        start, end = part.start or 0.0, limit if part.end is None else min(part.end, limit)
        times.append([round(time, 3) for time in sample_times(Segment(start, end))] if start < end else [])
    return times


def _speakers(seen: FaceObservations, looked: Sequence[float], face: bytes | None) -> tuple[np.ndarray, str | None]:
    """The rows of the speaker's faces at the times that were looked at, at most one a frame, or the reason."""
    here = np.flatnonzero(np.isin(seen.times, looked))
    frames = int(np.isin(seen.frame_times, looked).sum())
    if not frames:
        return here, "no picture could be decoded"
    if not len(here):
        return here, f"no face in {frames} {_frames(frames)}"
    if face is None:
        return _prominent(seen, here), None
    likeness = seen.embeddings @ np.frombuffer(face, np.float32)
    best = [max(here[seen.times[here] == time], key=lambda row: likeness[row]) for time in np.unique(seen.times[here])]
    rows = np.array([row for row in best if likeness[row] >= LIKENESS], np.int64)
    if len(rows):
        return rows, None
    top = float(likeness[here].max())
    return rows, (
        f"none of {len(here)} faces in {frames} {_frames(frames)} is the speaker's (best cosine {top:.2f}, at least "
        f"{LIKENESS} wanted)"
    )


def _prominent(seen: FaceObservations, here: np.ndarray) -> np.ndarray:
    """The faces of the person who takes up most of the pictures; the larger one where a frame has two of them."""
    boxes = seen.boxes[here]
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    people = seen.people[here]
    person = int(np.argmax(np.bincount(people, weights=area)))
    theirs = np.flatnonzero(people == person)
    order = theirs[np.lexsort((-area[theirs], seen.times[here][theirs]))]
    first = np.unique(seen.times[here][order], return_index=True)[1]
    return np.asarray(here[order[first]])


def _frames(count: int) -> str:
    return "frame" if count == 1 else "frames"
