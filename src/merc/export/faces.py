"""Faces in the frames of a video, found and made unrecognisable.

Faces are looked for ten times a second, with lower thresholds than an analysis has. A frame is covered wherever a face
is found within a second before or after it: a face that is missed for a moment, or that moves, stays covered. Covered
areas become a few cells of mean colour, which cannot be undone as a blur could be.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.media.forward import VideoOptions
from merc.media.video import frames
from merc.people.faces import FaceDetector, FaceOptions
from merc.progress import Progress

PER_SECOND = 10.0
"""How often faces are looked for."""
AROUND = 1.0
"""Seconds before and after a frame from which faces are covered in it."""
WIDER = 0.4
"""What is covered around a face, in parts of its box on each side."""
CELLS = 3
"""Cells of one colour across the largest face: too few to tell anybody by."""
HEIGHT = 720
"""Largest height of the frames of a video that is written."""
_SENSITIVE = FaceOptions(thresholds=(0.6, 0.7, 0.7), smallest=20, same_gap=0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """The faces of a video.

    Attributes:
        times: Seconds, ``(n,)``, in order.
        boxes: Left, top, right and bottom of the face at each time, in pixels, ``(n, 4)``.
    """

    times: np.ndarray
    boxes: np.ndarray

    def at(self, time: float) -> np.ndarray:
        """The boxes ``(k, 4)`` that are covered at a time."""
        first, last = np.searchsorted(self.times, [time - AROUND, time + AROUND])
        boxes: np.ndarray = self.boxes[first:last]
        return boxes


def find(path: Path, times: np.ndarray, *, progress: Progress | None = None) -> Found:
    """Find the faces of a video at some times; raises WeightError where the weight 'mtcnn' was not fetched."""
    detector = FaceDetector(_SENSITIVE)
    seen, boxes = [], []
    for number, frame in enumerate(frames(path, times.tolist(), height=HEIGHT, options=DECODING), 1):
        found = detector.detect(frame.image).boxes
        seen += [frame.time] * len(found)
        boxes += list(found)
        if progress:
            progress("faces", number, len(times))
    return Found(np.array(seen), np.array(boxes).reshape(-1, 4))


DECODING = VideoOptions(threads=1, skip_unreferenced=False)
"""How frames are decoded: none is left out."""


def covered(image: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """An image, uint8 RGB (h, w, 3), whose boxes (k, 4), widened, are cells of mean colour; itself without boxes."""
    import cv2

    if not len(boxes):
        return image
    height, width = image.shape[:2]
    sides = boxes[:, 2:] - boxes[:, :2]
    wide = np.hstack([boxes[:, :2] - WIDER * sides, boxes[:, 2:] + WIDER * sides]).round().astype(int)
    cell = max(1, int(sides.max()) // CELLS)
    small = cv2.resize(image, (max(1, width // cell), max(1, height // cell)), interpolation=cv2.INTER_AREA)
    cells = cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST)
    made = image.copy()
    for left, top, right, bottom in wide.clip(0).tolist():
        made[top:bottom, left:right] = cells[top:bottom, left:right]
    return made
