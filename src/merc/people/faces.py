"""Whose faces are seen when: frames become faces, faces become tracks, tracks become people.

Frames are looked at one by one and forgotten; what stays of a face are its time, box, score, embedding and the changes
of its mouth and of its upper face around its frame. Tracks join the faces of neighbouring frames by place and likeness;
people join tracks by likeness, and two faces of one frame are never one person on purpose.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field, fields
from typing import Protocol

import numpy as np

from merc.errors import InputError
from merc.nn.facenet import CELLS, DIMENSION, FaceNet, crop, upright
from merc.nn.memory import trim_memory
from merc.nn.mtcnn import Cascade
from merc.options import above, between
from merc.people.mouth import RATE, STEPS, Mouth
from merc.people.tracks import follow, group, means
from merc.progress import Progress


class Frame(Protocol):
    """A picture and its time in the recording, as merc.media.video yields them."""

    @property
    def time(self) -> float:
        """Seconds from the start of the recording."""

    @property
    def image(self) -> np.ndarray:
        """uint8 RGB (h, w, 3), or brightness (h, w): faces are then not searched for, but followed."""


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How faces are found, followed and distinguished; raises InputError for a value out of range."""

    short_side: int = 360
    """Pixels of the shorter side of the frame on which faces are looked for: the cost grows with its square."""
    smallest: int = 40
    """Least side of a face on that scale, in pixels; below it neither identity nor expression can be read."""
    thresholds: tuple[float, float, float] = (0.7, 0.8, 0.9)
    """Least probabilities of the three detection stages; the last keeps patterned cloth and bottles out."""
    margin: float = 0.2
    """What the crop for the identity shows around the box, in parts of its side: as FaceNet was trained. The expression
    is read from a second, upright crop."""
    same_gap: float = 0.03
    """A frame within this many seconds of the previous one is skipped."""
    track_gap: float = 1.6
    """A face that is not seen for longer starts a new track."""
    person_cosine: float = 0.5
    """Least mean likeness of the tracks of one person."""
    threads: int = 1
    """CPU threads for detection and embedding."""
    device: str = "cpu"
    """Where FaceNet runs; MTCNN always runs on the CPU."""

    def __post_init__(self) -> None:
        above(-0.9, scope="faces", margin=self.margin)
        above(0, scope="faces", short_side=self.short_side, smallest=self.smallest, threads=self.threads)
        above(0, scope="faces", track_gap=self.track_gap)
        between(-1, 1, scope="faces", person_cosine=self.person_cosine, hint=", a cosine")
        if len(self.thresholds) != 3 or not all(0 < value < 1 for value in self.thresholds):
            raise InputError(f"faces: thresholds is {self.thresholds}: expected three probabilities in (0, 1)")


EVERY_FRAME = FaceOptions(same_gap=0.0)
"""Every frame is searched for faces, however near the next one."""


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
    """All faces of a recording, in order of time; one row per face, and arrays only, so that they can be stored.

    ``times`` (n,) seconds; ``boxes`` (n, 4) left, top, right, bottom in parts of the frame's width and height;
    ``scores`` (n,) probabilities; ``embeddings`` (n, 512) of length one; ``expressions`` (n, 14336) float16, what
    FaceNet sees where in the face (merc.features.face says why); ``mouth`` and ``upper`` (n, STEPS) the changes of
    brightness of `merc.people.mouth`, NaN where the face was not followed; ``cut`` (n, 2) whether it was lost in the
    half second before and after; ``tracks`` and ``people`` (n,) numbers from 0, people by how often they are seen;
    ``frame_times`` (m,) the frames that were looked at, with or without faces. ``encoded`` holds what further encoders
    of a `FaceObserver` gave, by name, (n, d) each; it is not stored.
    """

    times: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    embeddings: np.ndarray
    expressions: np.ndarray
    mouth: np.ndarray
    upper: np.ndarray
    cut: np.ndarray
    tracks: np.ndarray
    people: np.ndarray
    frame_times: np.ndarray
    encoded: Mapping[str, np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.times)

    @property
    def count(self) -> int:
        """How many people are seen."""
        return int(self.people.max()) + 1 if len(self.people) else 0

    def templates(self) -> np.ndarray:
        """The mean embedding of each person, of length one: (count, 512)."""
        return means(self.embeddings, self.people)

    def arrays(self) -> dict[str, np.ndarray]:
        """The columns by name; ``FaceObservations(**arrays)`` reverses it."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "encoded"}


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


class CropEncoder(Protocol):
    """What gives each cropped face a vector; the face encoders of merc.features are such."""

    @property
    def crop(self) -> str:
        """How faces are cut out for it: "box" (`merc.nn.facenet.crop`) or "upright" (`merc.nn.facenet.upright`)."""

    @property
    def width(self) -> int:
        """Numbers of a vector."""

    def encode(self, batch: np.ndarray, /) -> Sequence[np.ndarray] | np.ndarray:
        """Vectors (n, width) of crops, uint8 RGB (n, 160, 160, 3)."""


class _FaceNetOutput:
    """One output of a FaceNet that several share: 0 the embedding, 1 the cells that show the expression."""

    def __init__(self, network: FaceNet, output: int, options: FaceOptions) -> None:
        self._network, self._output, self._threads = network, output, options.threads
        self.crop = ("box", "upright")[output]
        self.width = (DIMENSION, CELLS)[output]

    def encode(self, batch: np.ndarray, /) -> np.ndarray:
        from merc.nn.threads import threads

        with threads(self._threads):
            if self._output:
                return self._network.cells(batch).astype(np.float16)
            return self._network.embed(batch)


class FaceObserver:
    """Finds, follows and encodes the faces of recordings; its models are loaded once.

    Args:
        options: How faces are found, followed and distinguished.
        identity: Encoder of whose face it is, by which faces are followed and grouped (default: FaceNet's embedding).
        encoders: What else is encoded of each face, by name (default: with FaceNet's identity, its cells as
            ``expressions``).

    Raises:
        WeightError: the weight 'mtcnn' or 'facenet' is absent.
    """

    def __init__(
        self,
        options: FaceOptions | None = None,
        *,
        identity: CropEncoder | None = None,
        encoders: Mapping[str, CropEncoder] | None = None,
    ) -> None:
        self.options = options or FaceOptions()
        self.detector = FaceDetector(self.options)
        self.encoders: dict[str, CropEncoder] = dict(encoders or {})
        if identity is None:
            network = FaceNet.load(device=self.options.device)
            identity = _FaceNetOutput(network, 0, self.options)
            if encoders is None:
                self.encoders["expressions"] = _FaceNetOutput(network, 1, self.options)
        self.identity = identity

    def observe(
        self, frames: Iterable[Frame], *, expected: int = 0, progress: Progress | None = None
    ) -> FaceObservations:
        """Look at frames in order of time: which faces are seen when, and which of them are one person.

        Args:
            frames: Frames at rising times; they are not kept.
            expected: Number of frames, for the progress.
            progress: Called with "faces", the frames looked at and all frames.

        Raises:
            InputError: frames are out of order.
        """
        with ThreadPoolExecutor(1) as second:  # faces are encoded while the next ones are found
            gatherer = _Gatherer(self, second)
            for number, frame in enumerate(frames, start=1):
                gatherer.look(frame)
                if progress:
                    progress("faces", number, max(number, expected))
            return gatherer.finish()


def observe(
    frames: Iterable[Frame],
    *,
    options: FaceOptions | None = None,
    expected: int = 0,
    progress: Progress | None = None,
) -> FaceObservations:
    """`FaceObserver.observe` with models that are loaded for this call; arguments and errors as there."""
    return FaceObserver(options).observe(frames, expected=expected, progress=progress)


class _Gatherer:
    """Turns frames into rows; crops wait until a batch is full, grey pictures until a face is followed back to them."""

    _BATCH = 16
    _TRIM = 8  # batches after which the freed memory that FaceNet leaves is given back

    def __init__(self, observer: FaceObserver, second: Executor) -> None:
        self._second = second
        self._options, self._detector = observer.options, observer.detector
        self._encoders = {"": observer.identity, **observer.encoders}
        self._frame_times: list[float] = []
        self._rows: list[tuple[float, np.ndarray, float, Mouth]] = []  # time, box, score, mouth
        self._crops: list[dict[str, np.ndarray]] = []  # of each face, by the kind of crop
        empty = {name: np.zeros((0, one.width), np.float32) for name, one in self._encoders.items()}
        self._vectors = [empty]  # of each batch that is encoded
        self._encoding: Future[dict[str, np.ndarray]] | None = None  # the latest batch
        self._followed: list[Mouth] = []  # of the last frame that was searched
        self._recent: deque[tuple[float, np.ndarray]] = deque(maxlen=STEPS // 2)  # grey pictures
        self._last = -np.inf

    def look(self, frame: Frame) -> None:
        if frame.time < self._last:
            raise InputError(f"frame at {frame.time} s follows one at {self._last} s: expected rising times; sort them")
        grey = frame.image.ndim == 2
        if not grey and self._frame_times and frame.time - self._frame_times[-1] <= self._options.same_gap:
            return
        self._last = frame.time
        if grey:
            for mouth in self._followed:
                mouth.follow(frame.image, frame.time)
            self._recent.append((frame.time, frame.image))
        else:
            self._frame_times.append(frame.time)
            self._add(frame, self._detector.detect(frame.image))

    def _add(self, frame: Frame, faces: Faces) -> None:
        height, width = frame.image.shape[:2]
        whole = np.array([width, height, width, height])
        near = [(time, image) for time, image in self._recent if (frame.time - time) * RATE <= STEPS / 2 + 1]
        self._followed = []
        for box, score, landmarks in zip(faces.boxes, faces.scores, faces.landmarks, strict=True):
            mouth = Mouth(frame.image, landmarks, frame.time)
            for time, image in reversed(near):
                mouth.follow(image, time)
            mouth.restart()
            self._followed.append(mouth)
            self._rows.append((frame.time, box / whole, float(score), mouth))
            self._crops.append(self._cut(frame.image, box, landmarks))
        if len(self._crops) >= self._BATCH:
            self._encode()

    def _cut(self, image: np.ndarray, box: np.ndarray, landmarks: np.ndarray) -> dict[str, np.ndarray]:
        kinds = {one.crop for one in self._encoders.values()}
        crops = {"box": crop(image, box, self._options.margin)} if "box" in kinds else {}
        return crops | ({"upright": upright(image, landmarks)} if "upright" in kinds else {})

    def _encode(self) -> None:
        """Hand the crops over, once those before them are encoded."""
        if self._encoding:
            self._vectors.append(self._encoding.result())
            if len(self._vectors) % self._TRIM == 0:
                trim_memory()
        self._encoding = self._second.submit(self._encoded, self._crops) if self._crops else None
        self._crops = []

    def _encoded(self, crops: Sequence[Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        return {
            name: np.asarray(encoder.encode(np.stack([one[encoder.crop] for one in crops])))
            for name, encoder in self._encoders.items()
        }

    def finish(self) -> FaceObservations:
        self._encode()
        self._encode()  # the last batch
        times = np.array([row[0] for row in self._rows], np.float64)
        boxes = np.array([row[1] for row in self._rows], np.float64).reshape(-1, 4)
        vectors = {name: np.concatenate([one[name] for one in self._vectors]) for name in self._encoders}
        embeddings = vectors.pop("")
        cut = np.array([row[3].cut for row in self._rows], bool).reshape(-1, 2)
        tracks = follow(times, boxes, embeddings, cut, gap=self._options.track_gap)
        expressions = vectors.pop("expressions", np.zeros((len(times), 0)))
        changes = np.array([row[3].changes for row in self._rows], np.float32).reshape(-1, 2, STEPS)
        return FaceObservations(
            times=times,
            boxes=boxes,
            scores=np.array([row[2] for row in self._rows], np.float64),
            embeddings=embeddings,
            expressions=expressions.astype(np.float16),
            mouth=changes[:, 0],
            upper=changes[:, 1],
            cut=cut,
            tracks=tracks,
            people=group(times, embeddings, tracks, cosine=self._options.person_cosine),
            frame_times=np.array(self._frame_times, np.float64),
            encoded=vectors,
        )
