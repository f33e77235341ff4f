"""One decoder of clips, and one rule for which frames of an utterance are looked at.

``merc check`` and ``merc prepare`` read sound and frames here, so that both look at the same frames: those of
`frame_times`, and where these do not show the speaker, those of `offset_times` just before and after them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from merc.conversation import Segment
from merc.errors import MediaError
from merc.media.forward import VideoOptions
from merc.media.video import Frames, frames, sample_times

if TYPE_CHECKING:
    from merc.media.audio import Mono

RATE = 16_000
HEIGHT = 720
"""Largest height in pixels of a frame: beyond it faces gain nothing for vectors of 160 × 160."""
OFFSETS = (-0.4, -0.2, 0.2, 0.4)
"""Seconds from a sampled frame at which a face is searched for where the sampled frames do not show the speaker."""
LONGEST = 24 * 3600.0
"""Longest duration in seconds that is believed of a recording: a damaged header may claim centuries."""


@dataclass(frozen=True, slots=True)
class Extent:
    """Where an utterance starts and ends in its recording, and where the recording ends, in seconds."""

    start: float
    end: float
    limit: float


def frame_times(extent: Extent) -> list[float]:
    """When an utterance is looked at: `merc.media.video.sample_times`, to the millisecond.

    Example:
        >>> frame_times(Extent(10.0, 13.2, 60.0))
        [10.5, 11.5, 12.5]
        >>> frame_times(Extent(2.0, 2.6, 60.0))
        [2.1, 2.3, 2.5]
    """
    if not extent.start < extent.end:
        return [round(extent.start, 3)]
    return [round(time, 3) for time in sample_times(Segment(extent.start, extent.end))]


def offset_times(extent: Extent) -> list[float]:
    """The times just before and after `frame_times`, within the recording, rising.

    Example:
        >>> offset_times(Extent(0.0, 1.2, 60.0))
        [0.0, 0.4, 0.8, 1.2, 1.4]
    """
    looked = frame_times(extent)
    near = {round(time + step, 3) for time in looked for step in OFFSETS} - set(looked)
    return sorted(time for time in near if 0 <= time < extent.limit)


class NoVideo(MediaError):
    """A recording is sound alone."""


def video_seconds(path: str | Path) -> float:
    """Where a recording ends, in seconds.

    Raises:
        MediaError: the file cannot be read; NoVideo: it holds no video.
    """
    from merc.media import container

    found = container.probe(path)
    if found.video is None:
        raise NoVideo(f"{Path(path).name}: holds no video; expected a video stream for faces")
    return min(found.duration, LONGEST)


def extent_of(path: str | Path, start: float | None, end: float | None, *, seconds: float | None = None) -> Extent:
    """Where an utterance lies in its video.

    Args:
        path: The recording.
        start: Start of the utterance in seconds; None: the file is the utterance.
        end: End in seconds; one past that of the recording is cut.
        seconds: `video_seconds`, where it is known.

    Raises:
        MediaError: the file cannot be read or holds no video, or the utterance starts after its end.
    """
    limit = video_seconds(path) if seconds is None else seconds
    if start is None or end is None:
        return Extent(0.0, limit, limit)
    if start >= limit:
        raise too_early(path, (start, end), limit)
    return Extent(start, min(end, limit), limit)


def too_early(path: str | Path, segment: tuple[float, float], seconds: float) -> MediaError:
    """The error of a recording that ends before an utterance starts."""
    return MediaError(
        f"{Path(path).name}: ends at {seconds:.2f} s, before the utterance from {segment[0]:.2f} "
        f"to {segment[1]:.2f} s; check the annotation's times"
    )


class ClipDecoder:
    """Decodes the sound and the frames of recordings; the sound of the last file is kept, for utterances follow."""

    def __init__(self) -> None:
        self._path: str | None = None
        self._sound: Mono | None = None

    def sound(self, path: str | Path) -> Mono:
        """The sound of a whole file, on disk.

        Raises:
            MediaError: the file cannot be read or holds no sound.
        """
        from merc.media.audio import decode_mono

        if self._sound is None or self._path != str(path):
            self._path, self._sound = str(path), decode_mono(path)
        return self._sound

    def frames(self, path: str | Path, times: Sequence[float]) -> Frames:
        """The frames nearest to rising times, at most 720 pixels high, decoded on one thread.

        Raises:
            MediaError: the file cannot be read or holds no video.
        """
        return frames(path, times, height=HEIGHT, options=VideoOptions(threads=1))

    def close(self) -> None:
        """Forget the last sound."""
        self._path = self._sound = None


def cut(samples: NDArray[np.int16], start: float | None, end: float | None) -> NDArray[np.int16]:
    """The samples from ``start`` to ``end`` in seconds (None: to the file's own start and end); may be empty."""
    first = round((start or 0.0) * RATE)
    last = len(samples) if end is None else round(end * RATE)
    piece: NDArray[np.int16] = np.asarray(samples[first:last])
    return piece
