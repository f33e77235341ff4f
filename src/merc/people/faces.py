"""Whose faces are seen when: frames become faces, faces become tracks, tracks become people.

Frames are looked at one by one and forgotten; what stays of a face are its time, box, score, embedding and the motion
of its mouth. Tracks join the faces of neighbouring frames by place and likeness; people join tracks by likeness, and
two faces of one frame are never one person on purpose.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Protocol

import numpy as np

from merc.errors import InputError
from merc.nn.facenet import DIMENSION, EXPRESSION, FaceNet, crop, similarity, upright
from merc.nn.mtcnn import Cascade
from merc.progress import Progress


class Frame(Protocol):
    """A picture and its time in the recording, as merc.media.video yields them."""

    @property
    def time(self) -> float:
        """Seconds from the start of the recording."""

    @property
    def image(self) -> np.ndarray:
        """uint8 RGB (h, w, 3)."""


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How faces are found, followed and told apart; raises InputError for a value out of range."""

    short_side: int = 360
    """Pixels of the shorter side of the frame on which faces are looked for: the cost grows with its square."""
    smallest: int = 40
    """Least side of a face on that scale, in pixels; below it neither identity nor expression can be read."""
    thresholds: tuple[float, float, float] = (0.7, 0.8, 0.9)
    """Least probabilities of the three detection stages; the last keeps patterned cloth and bottles out."""
    margin: float = 0.2
    """What the crop for the identity shows around the box, in parts of its side: as FaceNet was trained. The expression
    is read from a second, upright crop."""
    partner_gap: float = 0.15
    """A frame that follows another within so many seconds only serves the mouth's motion."""
    same_gap: float = 0.03
    """A frame that follows another within so many seconds is passed over."""
    motion_gap: float = 0.3
    """The mouth's motion is measured between frames at most so many seconds apart."""
    track_gap: float = 1.6
    """A face that is not seen for longer starts a new track."""
    person_cosine: float = 0.5
    """Least mean likeness of the tracks of one person."""
    threads: int = 1
    """Of the processor, for detection and embedding."""

    def __post_init__(self) -> None:
        if not self.margin > -0.9:
            raise InputError(f"face option margin is {self.margin}: expected more than -0.9")
        for name in ("short_side", "smallest", "threads", "motion_gap", "track_gap"):
            if not getattr(self, name) > 0:
                raise InputError(f"face option {name} is {getattr(self, name)}: expected a number above 0")
        if len(self.thresholds) != 3 or not all(0 < value < 1 for value in self.thresholds):
            raise InputError(f"face option thresholds is {self.thresholds}: expected three probabilities in (0, 1)")
        if not -1 < self.person_cosine < 1:
            raise InputError(f"face option person_cosine is {self.person_cosine}: expected a cosine in (-1, 1)")


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """The faces of one image, most probable first.

    ``boxes`` (k, 4) are left, top, right, bottom and ``landmarks`` (k, 5, 2) the x, y of eyes, nose and corners of the
    mouth, in the image's pixels; ``scores`` (k,) are probabilities.
    """

    boxes: np.ndarray
    scores: np.ndarray
    landmarks: np.ndarray

    def __len__(self) -> int:
        return len(self.boxes)


@dataclass(frozen=True, slots=True, eq=False)
class FaceObservations:
    """All faces of a recording, in order of time; one row a face, and arrays only, so that they can be stored.

    ``times`` (n,) seconds; ``boxes`` (n, 4) left, top, right, bottom in parts of the frame's width and height;
    ``scores`` (n,) probabilities; ``embeddings`` (n, 512) of length one; ``expressions`` (n, 5376) float16, what
    FaceNet sees below the embedding (merc.features.face says why); ``motion`` (n,) how much more the mouth changes
    than the upper face until the next frame, NaN where none followed soon; ``tracks`` and ``people`` (n,) numbers
    from 0, people by how often they are seen; ``frame_times`` (m,) the frames that were looked at, with or without.
    """

    times: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray
    expressions: np.ndarray
    motion: np.ndarray
    tracks: np.ndarray
    people: np.ndarray
    frame_times: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def count(self) -> int:
        """How many people are seen."""
        return int(self.people.max()) + 1 if len(self.people) else 0

    def templates(self) -> np.ndarray:
        """The mean embedding of each person, of length one: (count, 512)."""
        return _means(self.embeddings, self.people)

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns by name; ``FaceObservations(**arrays)`` reverses it."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


class FaceDetector:
    """Finds faces on a downscaled frame with MTCNN; raises WeightError when the weight 'mtcnn' was not fetched."""

    def __init__(self, options: FaceOptions | None = None) -> None:
        self.options = options or FaceOptions()
        self._cascade = Cascade.load(threads=self.options.threads)

    def detect(self, image: np.ndarray) -> Faces:
        """Find the faces of an image, uint8 RGB (h, w, 3); raises InputError for another shape or kind."""
        import cv2

        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise InputError(f"image of shape {image.shape} and kind {image.dtype}: expected (h, w, 3) uint8 RGB")
        scale = min(1.0, self.options.short_side / min(image.shape[:2]))
        small = image
        if scale < 1:
            size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        smallest = self.options.smallest * min(1.0, min(image.shape[:2]) / self.options.short_side)
        boxes, scores, marks = self._cascade.detect(
            small, smallest=max(smallest, 12.0), thresholds=self.options.thresholds
        )
        middle = (boxes[:, :2] + boxes[:, 2:]) / 2  # a window may reach beyond the image, a face does not
        inside = ((middle > 0) & (middle < (small.shape[1], small.shape[0]))).all(axis=1)
        return Faces(boxes[inside] / scale, scores[inside], marks[inside] / scale)


def observe(
    frames: Iterable[Frame],
    *,
    options: FaceOptions | None = None,
    expected: int = 0,
    progress: Progress | None = None,
) -> FaceObservations:
    """Look at frames in order of time and tell which faces are seen when, and which of them are one person.

    A frame that follows another within ``partner_gap`` seconds serves the motion of the mouth only. Frames are not
    kept. ``expected`` frames is what ``progress`` is told as the total. Raises InputError for frames out of order.
    """
    options = options or FaceOptions()
    gatherer = _Gatherer(options)
    for number, frame in enumerate(frames, start=1):
        gatherer.look(frame)
        if progress:
            progress("faces", number, max(number, expected))
    return gatherer.finish()


class _Gatherer:
    """Turns frames into rows; crops wait until a batch is full, of the last frame small grey faces are kept."""

    _BATCH = 16

    def __init__(self, options: FaceOptions) -> None:
        self._options = options
        self._detector = FaceDetector(options)
        self._network = FaceNet.load()
        self._frame_times: list[float] = []
        self._rows: list[tuple[float, np.ndarray, float]] = []  # time, box, score
        self._motion: list[float] = []
        self._crops: list[tuple[np.ndarray, np.ndarray]] = []  # for the identity, for the expression
        self._embeddings = [np.zeros((0, DIMENSION), np.float32)]
        self._expressions = [np.zeros((0, EXPRESSION), np.float16)]
        self._last: list[tuple[int, np.ndarray, np.ndarray]] = []  # row, transform, patch

    def look(self, frame: Frame) -> None:
        since = frame.time - self._frame_times[-1] if self._frame_times else np.inf
        if since < 0:
            raise InputError(
                f"frame at {frame.time} s follows one at {self._frame_times[-1]} s: expected rising times; sort them"
            )
        if since <= self._options.same_gap:
            return
        if since <= self._options.motion_gap:
            for row, transform, patch in self._last:
                self._motion[row] = mouth_motion(patch, _aligned(frame.image, transform))
            self._last = []
        if since <= self._options.partner_gap:
            return
        self._frame_times.append(frame.time)
        self._last = []
        self._add(frame, self._detector.detect(frame.image))

    def _add(self, frame: Frame, faces: Faces) -> None:
        height, width = frame.image.shape[:2]
        whole = np.array([width, height, width, height])
        for box, score, landmarks in zip(faces.boxes, faces.scores, faces.landmarks, strict=True):
            transform = similarity(_MARKS, landmarks)
            self._last.append((len(self._rows), transform, _aligned(frame.image, transform)))
            self._rows.append((frame.time, box / whole, float(score)))
            self._motion.append(np.nan)
            pictures = crop(frame.image, box, self._options.margin), upright(frame.image, landmarks)
            self._crops.append(pictures)
        if len(self._crops) >= self._BATCH:
            self._embed()

    def _embed(self) -> None:
        import torch

        if not self._crops:
            return
        before = torch.get_num_threads()
        torch.set_num_threads(self._options.threads)
        try:
            embeddings = self._network.embed(np.stack([pair[0] for pair in self._crops]))
            expressions = self._network.describe(np.stack([pair[1] for pair in self._crops]))[1]
        finally:
            torch.set_num_threads(before)
        self._embeddings.append(embeddings)
        self._expressions.append(expressions.astype(np.float16))
        self._crops = []

    def finish(self) -> FaceObservations:
        self._embed()
        times = np.array([row[0] for row in self._rows], np.float64)
        boxes = np.array([row[1] for row in self._rows], np.float64).reshape(-1, 4)
        embeddings = np.concatenate(self._embeddings)
        tracks = follow(times, boxes, embeddings, gap=self._options.track_gap)
        return FaceObservations(
            times=times,
            boxes=boxes,
            scores=np.array([row[2] for row in self._rows], np.float64),
            embeddings=embeddings,
            expressions=np.concatenate(self._expressions),
            motion=np.array(self._motion, np.float64),
            tracks=tracks,
            people=group(times, embeddings, tracks, cosine=self._options.person_cosine),
            frame_times=np.array(self._frame_times, np.float64),
        )


def follow(times: np.ndarray, boxes: np.ndarray, embeddings: np.ndarray, *, gap: float) -> np.ndarray:
    """Join faces of neighbouring frames into tracks by place and likeness; returns a number from 0 for each face.

    A face goes on with a track seen at most ``gap`` seconds ago where cosine + overlap is greatest, if they overlap by
    at least .3 and the cosine is at least .3, or wherever they are if the cosine is at least .6.
    """
    from scipy.optimize import linear_sum_assignment

    tracks = np.full(len(times), -1, np.int64)
    count, last = 0, np.zeros(0, np.int64)  # the last face of each track that may go on
    for time in np.unique(times):
        new = np.flatnonzero(times == time)
        last = last[times[last] >= time - gap]
        likeness = embeddings[last] @ embeddings[new].T  # (tracks, faces)
        overlap = _overlap(boxes[last], boxes[new])
        possible = ((overlap >= 0.3) & (likeness >= 0.3)) | (likeness >= 0.6)
        for old, face in zip(*linear_sum_assignment(np.where(possible, -(likeness + overlap), 9.0)), strict=True):
            if possible[old, face]:
                tracks[new[face]] = tracks[last[old]]
        for face in new[tracks[new] < 0]:
            tracks[face], count = count, count + 1
        going = last[~np.isin(tracks[last], tracks[new])]
        last = np.concatenate([going, new])
    return tracks


def group(times: np.ndarray, embeddings: np.ndarray, tracks: np.ndarray, *, cosine: float) -> np.ndarray:
    """Join tracks into people by likeness; returns each face's person, from 0, the most seen first.

    Average linkage on the tracks' mean embeddings, down to a mean likeness of ``cosine``; tracks that share a frame
    count as opposites. More than 4,000 tracks are joined in stretches first, which bounds the memory.
    """
    if not len(tracks):
        return np.zeros(0, np.int64)
    people, most = tracks, 4000
    while (count := int(people.max()) + 1) > most:
        for start in range(0, count, most):
            within = (people >= start) & (people < start + most)
            people[within] = start + _joined(times[within], embeddings[within], people[within] - start, cosine)
        people = np.unique(people, return_inverse=True)[1]
        if int(people.max()) + 1 == count:
            break  # nothing is alike enough within any stretch
    else:
        people = _joined(times, embeddings, people, cosine)
    seen = np.bincount(people)
    rank = np.argsort(np.argsort(-seen, kind="stable"), kind="stable")
    return rank[people].astype(np.int64)


def _joined(times: np.ndarray, embeddings: np.ndarray, groups: np.ndarray, cosine: float) -> np.ndarray:
    """Join groups numbered from 0 by average linkage; returns each face's new group, from 0."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    means = _means(embeddings, groups)
    if len(means) < 2:
        return groups
    distances = np.clip(1 - means @ means.T, 0, 2)
    for time in np.unique(times):
        here = np.unique(groups[times == time])
        distances[np.ix_(here, here)] = 2.0  # two faces of one frame are two people
    np.fill_diagonal(distances, 0)
    links = linkage(squareform(distances.astype(np.float64), checks=False), "average")
    joined = fcluster(links, 1 - cosine, "distance") - 1
    result: np.ndarray = joined[groups].astype(np.int64)
    return result


def _means(embeddings: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Mean embedding of each group from 0, of length one: (groups, 512)."""
    count = int(groups.max()) + 1 if len(groups) else 0
    sums = np.zeros((count, embeddings.shape[1]), np.float32)
    np.add.at(sums, groups, embeddings)
    means: np.ndarray = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return means


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Shared area over union of boxes (a, 4) and (b, 4): (a, b)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    result: np.ndarray = shared / (areas[0][:, None] + areas[1][None] - shared)
    return result


_CANVAS, _EDGE = 64, 6
"""Faces are compared upright on a canvas of so many pixels, and moved by at most so many to fit."""
_MARKS = np.array([[20, 24], [44, 24], [32, 37], [22.5, 49], [41.5, 49]], np.float64)
"""Where the eyes, the nose and the corners of the mouth lie on the canvas."""
_UPPER, _MOUTH = (slice(8, 38), slice(10, 54)), (slice(41, 61), slice(16, 48))
"""Rows and columns of the forehead, eyes and nose, and of the mouth and chin."""


def _aligned(image: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """The upright face in grey on the canvas: (64, 64) float32."""
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(image, transform, (_CANVAS, _CANVAS), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    grey: np.ndarray = cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return grey


def mouth_motion(first: np.ndarray, second: np.ndarray) -> float:
    """How much more the mouth changed than the upper face between two aligned pictures (64, 64) of one face.

    The second is moved by up to six pixels so that the upper faces fit, and the ratio of the mean absolute changes is
    taken. Returns NaN where the upper faces are not alike (correlation below .6: a cut, or a turn of the head) and
    where both pictures are the same one.
    """
    import cv2

    upper = first[_UPPER]
    around = second[_UPPER[0].start - _EDGE : _UPPER[0].stop + _EDGE, _UPPER[1].start - _EDGE : _UPPER[1].stop + _EDGE]
    fit = cv2.matchTemplate(around, upper, cv2.TM_CCOEFF_NORMED)
    _, best, _, (x, y) = cv2.minMaxLoc(fit)
    if not 0.6 <= best <= 1.001 or np.array_equal(first, second):
        return float("nan")
    moved = np.roll(second, (_EDGE - y, _EDGE - x), axis=(0, 1))
    still = float(np.abs(moved[_UPPER] - upper).mean())
    return float(np.abs(moved[_MOUTH] - first[_MOUTH]).mean()) / (still + 1.0)
