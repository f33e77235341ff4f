"""Frames of utterances with all the faces in them, for encoders that read whole scenes.

Whose face it is plays no part: every face of a frame counts, by its area.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from merc.features.m2fnet import FRAMES, Shot
from merc.media.clip import Extent
from merc.nn.facenet import SIDE, upright

if TYPE_CHECKING:
    from merc.people.faces import FaceDetector, Frame


def scene_times(extent: Extent) -> list[float]:
    """When an utterance is looked at: the middles of 15 equal parts, to the millisecond.

    Example:
        >>> scene_times(Extent(1.0, 4.0, 60.0))[:3]
        [1.1, 1.3, 1.5]
    """
    length = max(extent.end - extent.start, 0.0)
    return [round(extent.start + (number + 0.5) * length / FRAMES, 3) for number in range(FRAMES)]


def shot_of(image: np.ndarray, detector: FaceDetector) -> Shot:
    """A frame, uint8 RGB ``(h, w, 3)``, with its faces cut out upright."""
    import cv2

    faces = detector.detect(image)
    crops = [upright(image, marks) for marks in faces.landmarks]
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    empty = np.zeros((0, SIDE, SIDE, 3), np.uint8)
    picture = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return Shot(np.asarray(picture), np.stack(crops) if crops else empty, sides.prod(1))


def shots_of(
    frames: Iterable[Frame], times: Mapping[int, Sequence[float]], detector: FaceDetector
) -> dict[int, list[Shot]]:
    """The frames of each utterance; one whose pictures could not be decoded has fewer, or none.

    Args:
        frames: At all of the times, rising.
        times: By the number of an utterance when it is looked at.
        detector: What finds faces.
    """
    seen = {frame.time: shot_of(frame.image, detector) for frame in frames}
    return {number: [seen[time] for time in dict.fromkeys(own) if time in seen] for number, own in times.items()}
