"""How much a mouth moves within half a second of the frame in which its face was found.

No face is searched for between the frames of a sample: the upright face is followed by shifting it so that the upper
face (forehead, eyes, nose) fits the picture before, forwards and backwards in time, until it fits no more (a cut, or a
turn of the head). What is kept of each step is the mean change of brightness of the mouth and of the upper face: a head
that moves changes both, a mouth that speaks changes more than the face above it.
"""

from __future__ import annotations

import math

import numpy as np

from merc.nn.facenet import similarity

RATE = 12
"""Pictures per second in which a face is followed: twice the rate of syllables, and what remains of most films when
frames that no other needs are skipped."""
STEPS = 12
"""Steps of one face: half a second before its frame and half a second after it."""
FIT = 0.7
"""Least correlation of the upper face with the picture before, at which a face is still followed."""

_CANVAS, _EDGE = 64, 6
"""Faces are aligned upright on a canvas of this many pixels, and shifted by at most this many in a step."""
_MARKS = np.array([[20, 24], [44, 24], [32, 37], [22.5, 49], [41.5, 49]], np.float64)
"""Where the eyes, the nose and the corners of the mouth lie on the canvas."""
_UPPER, _MOUTH = (slice(8, 38), slice(10, 54)), (slice(41, 61), slice(16, 48))
"""Rows and columns of the forehead, eyes and nose, and of the mouth and chin."""
_AROUND = tuple(slice(part.start - _EDGE, part.stop + _EDGE) for part in _UPPER)


def glimpses(times: list[float], *, end: float) -> list[float]:
    """When faces found at some times are followed: a grid of `RATE` per second, half a second around each, in seconds.

    The result is sorted, before ``end``, and leaves out what is within a hundredth of a second of the times.
    """
    half = STEPS // 2
    grid = {n for time in times for n in range(math.ceil(time * RATE) - half, math.floor(time * RATE) + half + 1)}
    taken = {round(time, 2) for time in times}
    chosen = (round(n / RATE, 3) for n in sorted(grid) if n >= 0)
    return [time for time in chosen if time < end and round(time, 2) not in taken]


def step_times(times: np.ndarray) -> np.ndarray:
    """When the steps of faces found at ``(n,)`` times are, in seconds: ``(n, STEPS)``."""
    first = np.ceil(times * RATE - 1e-6) - STEPS // 2
    result: np.ndarray = (first[:, None] + np.arange(STEPS)) / RATE
    return result


def step_of(face: float, time: float) -> int:
    """The number of the step of a face found at a time that a picture belongs to; may be out of range."""
    return round(time * RATE) - (math.ceil(face * RATE - 1e-6) - STEPS // 2)


class Mouth:
    """A face that is followed from the picture in which it was found.

    Args:
        image: The picture, uint8 RGB (h, w, 3) or brightness (h, w).
        landmarks: (5, 2) x, y of the eyes, the nose and the corners of the mouth, in pixels.
        time: When the picture is, in seconds.

    Attributes:
        changes: (2, STEPS) mean change of brightness of the mouth and of the upper face; NaN where not followed.
        cut: (2,) bool, whether the face was lost before and after its picture.
    """

    def __init__(self, image: np.ndarray, landmarks: np.ndarray, time: float) -> None:
        self.changes = np.full((2, STEPS), np.nan, np.float32)
        self.cut = np.zeros(2, bool)
        self._time = time
        self._transform = similarity(_MARKS, landmarks)
        self._patch: np.ndarray | None = aligned(image, self._transform)
        self._start = (self._transform, self._patch)

    def restart(self) -> None:
        """Go back to the picture in which the face was found, to follow it in the other direction."""
        self._transform, self._patch = self._start

    def follow(self, image: np.ndarray, time: float) -> None:
        """Follow the face into the next picture in the current direction, unless it was lost before."""
        step = step_of(self._time, time)
        if self._patch is None or not 0 <= step < STEPS:
            return
        shifted = _shifted(self._patch, image, self._transform)
        if shifted is None:
            self._patch, self.cut[int(time > self._time)] = None, True
            return
        patch = aligned(image, shifted)
        change = patch - self._patch
        change -= change[_UPPER].mean()  # the light, and how brightness was computed
        self.changes[:, step] = [np.abs(change[part]).mean() for part in (_MOUTH, _UPPER)]
        self._transform, self._patch = shifted, patch


def aligned(image: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """The upright face in grey on the canvas: (64, 64) float32."""
    import cv2

    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    patch = cv2.warpAffine(image, transform, (_CANVAS, _CANVAS), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    grey: np.ndarray = (patch if patch.ndim == 2 else cv2.cvtColor(patch, cv2.COLOR_RGB2GRAY)).astype(np.float32)
    return grey


def _shifted(before: np.ndarray, image: np.ndarray, transform: np.ndarray) -> np.ndarray | None:
    """The transform (2, 3) moved so that the upper face fits the one before; None where it does not."""
    import cv2

    around = aligned(image, transform)[_AROUND]
    fit = cv2.matchTemplate(around, before[_UPPER], cv2.TM_CCOEFF_NORMED)
    _, best, _, place = cv2.minMaxLoc(fit)
    if not FIT <= best <= 1.001:  # infinite or more than one: a patch of one colour
        return None
    moved = transform.copy()
    moved[:, 2] += transform[:, :2] @ (np.array(place, np.float64) - _EDGE)
    return moved
