"""A clip becomes features: its sound or its frames are decoded once for all encoders and all of its utterances.

What cannot be encoded has a reason instead, for each utterance and feature: a clip that is damaged, has no sound or no
face costs nothing else. The frames are those that ``merc check`` looks at (`merc.media.clip`): the sampled ones, and
where these do not show the speaker, those just before and after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from merc.errors import MediaError, MissingExtra, OutputError, WeightError
from merc.features.encoder import ENCODERS, Encoder
from merc.media.clip import RATE, ClipDecoder, Extent, cut, extent_of, frame_times, offset_times, video_seconds
from merc.prepare.scenes import scene_times, shots_of
from merc.storage.remote import fetched

if TYPE_CHECKING:
    from merc.people.faces import FaceDetector, FaceObservations, FaceObserver

IDENTITY = "facenet"
"""The encoder by which a face is compared with the speaker's known face."""
LIKENESS = 0.3
"""Minimum cosine, inclusive, of a face to the speaker's known face: the value of Wang & Beigi 2025 (QC-MERC), used
where a check says no other."""

_FATAL = (WeightError, MissingExtra, OutputError)  # no clip's fault

Encoded = dict[str, np.ndarray]
"""``feature/number`` holds the array of the utterance of that number in its clip, ``feature/number/reason`` why there
is none."""


@dataclass(frozen=True, slots=True)
class Part:
    """One utterance of a clip: its interval in seconds, None for the whole clip, and the known faces.

    ``face`` is the speaker's, the bytes of 512 float32 numbers of length one; None: the most prominent face is taken.
    ``others`` are those of the dialogue's other speakers: a face that is more like one of them is not the speaker's, as
    in ``merc check``. ``likeness`` is the minimum cosine of a face to the speaker's.
    """

    start: float | None = None
    end: float | None = None
    face: bytes | None = None
    others: tuple[bytes, ...] = ()
    likeness: float = LIKENESS


@dataclass(frozen=True, slots=True)
class Clip:
    """A file, the utterances in it, and the features to make of them, all of sound, all of faces or all of scenes.

    ``split_screen``: everyone sits on one side of the picture throughout; a face on the other side is not theirs.
    """

    path: str
    parts: tuple[Part, ...]
    features: tuple[str, ...]
    split_screen: bool = False


class ClipEncoder:
    """Encodes clips, loading each encoder when a clip first needs it; one a process.

    Args:
        device: Where encoders run; see `merc.nn.device.resolve`. MTCNN stays on the CPU.
    """

    def __init__(self, *, device: str = "cpu") -> None:
        self._device = device
        self._decoder = ClipDecoder()
        self._encoders: dict[str, Encoder] = {}
        self._observers: dict[tuple[str, ...], FaceObserver] = {}

    def __call__(self, clip: Clip) -> Encoded:
        """Encode all utterances of a clip; raises WeightError, MissingExtra and OutputError, which no clip causes."""
        with fetched(clip.path) as path:
            return self._encoded(replace(clip, path=str(path)))

    def _encoded(self, clip: Clip) -> Encoded:
        result: Encoded = {}
        kinds = {self._encoder(name).input for name in clip.features}
        encode = {"face": self._faces, "scene": self._scenes}.get(next(iter(kinds)), self._sounds)
        try:
            encode(clip, result)
        except _FATAL:
            raise
        except MediaError as error:
            for feature in clip.features:
                _missing(result, feature, range(len(clip.parts)), str(error))
        return result

    def _encoder(self, name: str) -> Encoder:
        if name not in self._encoders:
            self._encoders[name] = ENCODERS[name](device=self._device)
        return self._encoders[name]

    def _sounds(self, clip: Clip, result: Encoded) -> None:
        from merc.media.audio import release

        samples = self._decoder.sound(clip.path).samples
        pieces = [cut(samples, part.start, part.end) for part in clip.parts]
        pooled = [name for name in clip.features if self._encoder(name).pooled_from in clip.features]
        for feature in clip.features:
            if feature not in pooled:
                self._heard(feature, pieces, result)
            release(samples)
        for feature in pooled:  # one pass gives both
            self._pool(feature, len(pieces), result)
        self._decoder.close()

    def _heard(self, feature: str, pieces: Sequence[np.ndarray], result: Encoded) -> None:
        """Encode pieces of sound into one feature."""
        encoder, fit = self._encoder(feature), []
        for number, piece in enumerate(pieces):
            if reason := _no_sound(piece, encoder.shortest):
                _missing(result, feature, [number], reason)
            else:
                fit.append(number)
        if not fit:
            return
        for number, row in zip(fit, encoder.encode([pieces[n] for n in fit]), strict=True):
            if np.isfinite(row).all():
                result[f"{feature}/{number}"] = row
            else:
                _missing(result, feature, [number], "the encoder gave no finite values for its sound")

    def _pool(self, feature: str, count: int, result: Encoded) -> None:
        """Fill in a feature from the rows of the sequence that it is pooled from, and its reasons from theirs."""
        encoder = self._encoder(feature)
        for number in range(count):
            rows = f"{encoder.pooled_from}/{number}"
            if reason := reason_of(result, encoder.pooled_from, number):
                _missing(result, feature, [number], reason)
            else:
                result[f"{feature}/{number}"] = encoder.pool(result[rows])

    def _faces(self, clip: Clip, result: Encoded) -> None:
        extents = _extents(clip, result)
        sampled = {number: frame_times(one) for number, one in extents.items()}
        sides: dict[bytes | None, bool] = {}
        unseen = self._look(clip, sampled, result, sides) if sampled else []
        if unseen:
            self._look_around(clip, {number: offset_times(extents[number]) for number in unseen}, result, sides)

    def _scenes(self, clip: Clip, result: Encoded) -> None:
        """Encode frames with all faces in them, each frame looked at once for all utterances and features."""
        times = {number: scene_times(one) for number, one in _extents(clip, result).items()}
        wanted = sorted({time for own in times.values() for time in own})
        self._one_thread  # noqa: B018 - once a process
        found = shots_of(self._decoder.frames(clip.path, wanted), times, self._detector) if wanted else {}
        for number, shots in found.items():
            for feature in clip.features:
                if shots:
                    result[f"{feature}/{number}"] = self._encoder(feature).encode([shots])[0]
                else:
                    _missing(result, feature, [number], "no picture could be decoded")

    @cached_property
    def _detector(self) -> FaceDetector:
        from merc.people.faces import FaceDetector

        return FaceDetector()

    def _look_around(
        self, clip: Clip, times: dict[int, list[float]], result: Encoded, sides: dict[bytes | None, bool]
    ) -> None:
        """Search the frames just before and after those that do not show the speaker."""
        found: Encoded = {}
        unseen = self._look(clip, times, found, sides)
        for key in [f"{feature}/{number}" for number in times for feature in clip.features]:
            if key in found:
                del result[f"{key}/reason"]
                result[key] = found[key]
        for number in unseen:
            why = reason_of(result, clip.features[0], number)
            for feature in clip.features:
                _missing(result, feature, [number], f"{why}, nor just before or after them")

    def _look(
        self, clip: Clip, times: dict[int, list[float]], result: Encoded, sides: dict[bytes | None, bool]
    ) -> list[int]:
        """Encode the speakers' faces at some times of each utterance; returns the utterances that show none.

        ``sides`` is filled in where the picture is a split screen: whose face is on the left.
        """
        self._one_thread  # noqa: B018 - once a process
        wanted = sorted({time for several in times.values() for time in several})
        seen = self._observer(clip.features).observe(self._decoder.frames(clip.path, wanted))
        unseen = []
        if clip.split_screen and not sides:
            sides.update(_sides(seen, clip))
        for number, looked in times.items():
            part = clip.parts[number]
            rows, reason = _speakers(seen, looked, part, left=sides.get(part.face))
            if reason:
                unseen.append(number)
            for feature in clip.features:
                if reason:
                    _missing(result, feature, [number], reason)
                else:
                    values = seen.embeddings if feature == IDENTITY else seen.encoded[feature]
                    result[f"{feature}/{number}"] = values[rows]
        return unseen

    def _observer(self, features: tuple[str, ...]) -> FaceObserver:
        from merc.people.faces import EVERY_FRAME, FaceObserver

        if features not in self._observers:
            others = {name: self._encoder(name) for name in features if name != IDENTITY}
            self._observers[features] = FaceObserver(EVERY_FRAME, identity=self._encoder(IDENTITY), encoders=others)
        return self._observers[features]

    @cached_property
    def _one_thread(self) -> bool:
        """Keep OpenCV from using all cores in each of several processes."""
        import cv2

        cv2.setNumThreads(1)
        return True


def reason_of(encoded: Encoded, feature: str, number: int) -> str | None:
    """Why an utterance of a clip has no array of a feature, or None."""
    key = f"{feature}/{number}"
    if key in encoded:
        return None
    for name in (f"{key}/reason", "failed"):
        if name in encoded:
            return str(encoded[name])
    return "the clip gave neither a vector nor a reason"


def _extents(clip: Clip, result: Encoded) -> dict[int, Extent]:
    """Where each utterance lies in its video; those past its end get that as their reason."""
    extents, seconds = {}, video_seconds(clip.path)
    for number, part in enumerate(clip.parts):
        try:
            extents[number] = extent_of(clip.path, part.start, part.end, seconds=seconds)
        except MediaError as error:
            for feature in clip.features:
                _missing(result, feature, [number], str(error))
    return extents


def _missing(result: Encoded, feature: str, numbers: Sequence[int], reason: str) -> None:
    for number in numbers:
        result[f"{feature}/{number}/reason"] = np.array(reason)


def _no_sound(piece: np.ndarray, shortest: float) -> str | None:
    if not len(piece):
        return "the recording ends before the utterance"
    if len(piece) < shortest * RATE:
        return f"{len(piece) / RATE:.2f} s of sound is too short (at least {shortest} s)"
    if not piece.any():
        return "the sound is silence throughout"
    return None


def _speakers(
    seen: FaceObservations, looked: Sequence[float], part: Part, *, left: bool | None = None
) -> tuple[np.ndarray, str | None]:
    """The rows of the speaker's faces at the times that were looked at, at most one per frame, or the reason.

    ``left``: the side of the picture on which the speaker sits; None: any.
    """
    here = np.flatnonzero(np.isin(seen.times, looked))
    frames = int(np.isin(seen.frame_times, looked).sum())
    if not frames:
        return here, "no picture could be decoded"
    if not len(here):
        return here, f"no face in {frames} {_frames(frames)}"
    if part.face is None:
        return _prominent(seen, here), None
    rows = _theirs(seen, here, part)
    there = rows if left is None else rows[_on_the_left(seen)[rows] == left]
    if len(there):
        return there, None
    top = float(_likeness(seen, part.face)[here].max())
    why = f" on the {'left' if left else 'right'}, where the speaker sits" if len(rows) else ""
    return there, (
        f"none of {len(here)} faces in {frames} {_frames(frames)} is the speaker's{why} (best cosine {top:.2f}, at "
        f"least {part.likeness} wanted{', and more than to others of the dialogue' if part.others else ''})"
    )


def _theirs(seen: FaceObservations, here: np.ndarray, part: Part) -> np.ndarray:
    """In each frame the face most like the speaker's of those that are no more like another's, where it is like it."""
    likeness = _likeness(seen, part.face or b"")
    others = [_likeness(seen, face) for face in part.others]
    able = here[np.all([likeness[here] >= one[here] for one in others], axis=0)] if others else here
    best = [max(able[seen.times[able] == time], key=lambda row: likeness[row]) for time in np.unique(seen.times[able])]
    return np.array([row for row in best if likeness[row] >= part.likeness], np.int64)


def _likeness(seen: FaceObservations, face: bytes) -> np.ndarray:
    """The cosine of every face to a known one."""
    found: np.ndarray = seen.embeddings @ np.frombuffer(face, np.float32)
    return found


def _sides(seen: FaceObservations, clip: Clip) -> dict[bytes | None, bool]:
    """By known face whether most of its matches, whoever speaks, are in the left half of the picture."""
    left, every = _on_the_left(seen), np.arange(len(seen))
    found = {}
    for part in dict.fromkeys(
        Part(face=one.face, others=one.others, likeness=one.likeness) for one in clip.parts if one.face
    ):
        rows = _theirs(seen, every, part)
        if len(rows):
            found[part.face] = bool(left[rows].mean() > 0.5)
    return found


def _on_the_left(seen: FaceObservations) -> np.ndarray:
    """Whether the middle of each face is in the left half of the picture."""
    found: np.ndarray = seen.boxes[:, [0, 2]].mean(1) < 0.5
    return found


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
