"""Video frames of a recording at requested times: one forward pass that skips what no requested time needs.

Three things make it fast without seeking. Non-reference frames are not decoded. Packets are buffered until a requested
time comes near, and dropped if a keyframe arrives first, so that parts without speech are only read. And only the
requested frames are converted and scaled, by libswscale in one step.

The frame for a requested time is the nearest decoded one. It is within 0.25 s if the file has such a frame (if skipping
leaves wider gaps, it is switched off from there on). If frames are rarer, as in screen sharing, it is the nearest
within ``VideoOptions.tolerance``, or else the one on screen at that time. Damaged frames, and frames that depend on
them up to the next keyframe (at most 10 s), are dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merc.conversation import Segment
from merc.errors import InputError, MediaError
from merc.media.container import Source, declared_end, lost_end, opened
from merc.media.forward import Reader, VideoOptions

SHORTEST_DENSE = 0.4  # seconds from which an utterance gets at least three pictures
DENSE = 3  # pictures of a short utterance


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame of a video.

    Args:
        time: Requested time in seconds.
        actual: Its own time in seconds.
        image: uint8 RGB (height, width, 3), upright, with square pixels; at a grey time brightness (height, width).
    """

    time: float
    actual: float
    image: NDArray[np.uint8]


DEFAULT = VideoOptions()


def sample_times(segment: Segment, *, per_second: float = 1.0) -> list[float]:
    """Choose when to look at an utterance: 0.5 s into it and then every second (``per_second`` 1), in seconds.

    With another rate the times are the middles of its periods. An utterance in which that gives fewer than three
    times gets three, evenly spread (at 1/6, 3/6 and 5/6), if it lasts at least 0.4 s, and its middle otherwise.
    All times lie inside the segment and rise. Raises InputError unless ``per_second`` is positive and finite.
    """
    if not (math.isfinite(per_second) and per_second > 0):
        raise InputError(f"per_second {per_second}: expected a positive number of pictures a second, such as 1.0")
    count = math.ceil(segment.duration * per_second - 0.5)
    times = [segment.start + (index + 0.5) / per_second for index in range(max(0, count))]
    times = [time for time in times if time < segment.end]
    if len(times) >= DENSE:
        return times
    if segment.duration < SHORTEST_DENSE:
        return [segment.middle]
    return [segment.start + segment.duration * (2 * index + 1) / (2 * DENSE) for index in range(DENSE)]


def frames(
    path: str | Path,
    times: Sequence[float],
    *,
    grey: Sequence[float] = (),
    height: int | None = None,
    on_seconds: Callable[[float], None] | None = None,
    options: VideoOptions = DEFAULT,
) -> Frames:
    """Iterate over the frames at given times.

    A time for which nothing can be decoded gives no frame; ``Frames.lost`` then describes what is missing.

    Args:
        path: Video file.
        times: Sorted, in seconds.
        grey: Further times, sorted, at which the brightness is enough; one whose frame was just given gives none, and
            one that is also among the times gives colours.
        height: Maximum height in pixels of the upright frame; larger frames are scaled down (default: no limit).
        on_seconds: Called about once per second of video with the position in seconds.
        options: How frames are decoded.

    Raises:
        InputError: If the times are not sorted.
        MediaError: If the file cannot be read (see ``probe``) or has no video. Both are raised by this call, not by
            the iteration.
    """
    wanted, dim = _checked(times), set(_checked(grey)).difference(times)
    if height is not None and height < 1:
        raise InputError(f"height {height}: expected at least 1 pixel, or None to keep the size")
    with opened(path, options.tracks) as source:
        if source.video is None:
            raise MediaError(
                f"{Path(path).name}: has no video; expected a video stream (cover art does not count); "
                "use a recording with video, or only its audio"
            )
    return Frames(Path(path), sorted([*wanted, *dim]), grey=dim, height=height, on_seconds=on_seconds, options=options)


class Frames:
    """Iterator over frames.

    Attributes:
        lost: After the last frame, a sentence on what is missing, or None.
    """

    def __init__(
        self,
        path: Path,
        times: Sequence[float],
        *,
        grey: Set[float],
        height: int | None,
        on_seconds: Callable[[float], None] | None,
        options: VideoOptions,
    ) -> None:
        self.lost: str | None = None
        self._path, self._height, self._options = path, height, options
        self._grey, self._given = grey, -math.inf
        self._on_seconds = on_seconds
        self._picker = _Picker(times, options.tolerance)
        self._run = self._decode()

    def __iter__(self) -> Frames:
        return self

    def __next__(self) -> Frame:
        return next(self._run)

    def close(self) -> None:
        """Stop early and close the file; done automatically at the end or on deletion."""
        self._run.close()

    def _decode(self) -> Generator[Frame, None, None]:
        if self._picker.done():
            return
        with opened(self._path, self._options.tracks) as source:
            reader = Reader(source, lambda: self._picker.wanted, options=self._options, on_seconds=self._on_seconds)
            picture = _Picture(source, self._height)
            for moment, frame in reader.frames():
                yield from self._made(self._picker.offer(moment, frame, hole=reader.hole), picture)
                if self._picker.done():
                    break
            yield from self._made(self._picker.finish(reader.damage.reached, hole=reader.hole), picture)
            self.lost = self._describe(source, reader)

    def _made(self, picked: Iterator[tuple[float, tuple[float, Any]]], picture: _Picture) -> Iterator[Frame]:
        for time, (actual, chosen) in picked:
            if time not in self._grey:
                yield Frame(time, actual, picture.image(chosen))
            elif actual != self._given:
                yield Frame(time, actual, picture.image(chosen, grey=True))
            self._given = actual

    def _describe(self, source: Source, reader: Reader) -> str | None:
        damage = reader.damage
        missing, total = self._picker.missing, len(self._picker.times)
        parts: list[str | None] = []
        if missing:
            parts.append(f"{missing} of {total} requested frames are missing")
            if reader.ended:
                parts.append(lost_end(declared_end(source, source.video), damage.reached, what="video"))
        if damage.damaged:
            parts.append(f"{damage.damaged} of {damage.packets} video packets are damaged or depend on damaged ones")
        text = "; ".join(part for part in parts if part)
        return f"{self._path.name}: {text}" if text else None


class _Picker:
    """Selects the decoded frame for each requested time."""

    def __init__(self, times: Sequence[float], tolerance: float) -> None:
        self.times = times
        self.missing = 0
        self._tolerance = tolerance
        self._next = 0
        self._before: tuple[float, Any] | None = None

    def done(self) -> bool:
        return self._next >= len(self.times)

    @property
    def wanted(self) -> float:
        """The next requested time; infinite if there is none."""
        return math.inf if self.done() else self.times[self._next]

    def offer(self, moment: float, frame: Any, *, hole: bool) -> Iterator[tuple[float, tuple[float, Any]]]:
        """Take the next decoded frame; yield the requested times that can be answered now, with their frames.

        Args:
            moment: Time of the frame in seconds.
            frame: The decoded frame.
            hole: Whether there is damage between the last frame and this one.
        """
        after = (moment, frame)
        while self.wanted <= moment:
            chosen = self._choose(self.wanted, after, hole=hole)
            if chosen is not None:
                yield self.wanted, chosen
            self.missing += chosen is None
            self._next += 1
        self._before = after

    def finish(self, reached: float, *, hole: bool) -> Iterator[tuple[float, tuple[float, Any]]]:
        """Answer the remaining times with the last frame, which is on screen until ``reached``, the end of the file."""
        while not self.done():
            before, time = self._before, self.wanted
            shown = before is not None and (time - before[0] <= self._tolerance or (time < reached and not hole))
            if before is not None and shown:
                yield time, before
            self.missing += not shown
            self._next += 1

    def _choose(self, time: float, after: tuple[float, Any], *, hole: bool) -> tuple[float, Any] | None:
        before = self._before
        nearest = after if before is None or after[0] - time < time - before[0] else before
        if abs(nearest[0] - time) <= self._tolerance:
            return nearest
        return None if hole else before


Matrix = tuple[tuple[int, int], tuple[int, int]]


class _Picture:
    """Converts decoded frames to upright RGB arrays with square pixels, and scales them in the same step."""

    def __init__(self, source: Source, height: int | None) -> None:
        from av.video.reformatter import VideoReformatter

        self._height = height
        self._scaler = VideoReformatter()
        self._rotation = 0
        self._matrix: Matrix | None = None
        stream: Any = source.video
        self._ratio = stream.codec_context.sample_aspect_ratio or 1

    def image(self, frame: Any, *, grey: bool = False) -> NDArray[np.uint8]:
        """The frame as uint8 RGB (height, width, 3), or as brightness (height, width)."""
        matrix = self._display(frame)
        sideways = abs(matrix[0][1]) > abs(matrix[0][0])
        width, height = max(1, round(frame.width * self._ratio)), frame.height
        upright = width if sideways else height
        if self._height is not None and upright > self._height:
            scale = self._height / upright
            width, height = max(1, round(width * scale)), max(1, round(height * scale))
        # AREA averages pixels; at the same size it is 16 times slower than the direct conversion
        method = "BILINEAR" if (width, height) == (frame.width, frame.height) else "AREA"
        scaled: Any = self._scaler.reformat(
            frame, width=width, height=height, format="gray" if grey else "rgb24", interpolation=method
        )
        image: NDArray[np.uint8] = scaled.to_ndarray()
        return _upright(image, matrix)

    def _display(self, frame: Any) -> Matrix:
        """The display matrix, read only when the rotation changes: reading it creates a reference cycle, which keeps
        frames in memory until the garbage collector runs.
        """
        if self._matrix is None or frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, _display_matrix(frame)
        return self._matrix


def _display_matrix(frame: Any) -> Matrix:
    """The 2 x 2 part ((a, b), (c, d)) of the display matrix: x' = a x + c y, y' = b x + d y."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is not None:
        a, b, _, c, d = np.frombuffer(bytes(data), np.int32)[:5].tolist()
        return (a, b), (c, d)
    return (1, 0), (0, 1)


def _upright(image: NDArray[np.uint8], matrix: Matrix) -> NDArray[np.uint8]:
    """Rotate by quarter turns and mirror, according to the display matrix."""
    (a, b), (c, d) = matrix
    if abs(b) > abs(a):
        image, mirrored, upside_down = image.swapaxes(0, 1), c < 0, b < 0
    else:
        mirrored, upside_down = a < 0, d < 0
    if mirrored:
        image = image[:, ::-1]
    if upside_down:
        image = image[::-1]
    return np.ascontiguousarray(image)


def _checked(times: Sequence[float]) -> list[float]:
    wanted = [float(time) for time in times]
    for index, time in enumerate(wanted):
        if not math.isfinite(time) or time < 0:
            raise InputError(f"requested time {time} s at index {index}: expected seconds from the start, 0 or more")
        if index and time < wanted[index - 1]:
            raise InputError(
                f"requested time {time} s at index {index} comes after {wanted[index - 1]} s; expected rising times; "
                "sort them first"
            )
    return wanted
