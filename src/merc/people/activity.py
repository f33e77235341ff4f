"""Voice activity of up to three voices at once, frame by frame over a recording.

The segmentation network reads 10 s at a time. Its three voices are permuted from one window to the next so that they
agree where windows overlap, and of each window only the middle is kept. The result is three tracks that
separate voices close in time; over a recording a track is *not* a person. The network normalises each window, so that
it also hears faint speech, which a voice activity detector passes over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from merc import weights
from merc.conversation import Segment
from merc.nn.fbank import RATE

if TYPE_CHECKING:
    from merc.nn.segmentation import Segmentation

TRACKS = 3
FRAME_SECONDS = 270 / RATE
"""Seconds from one frame to the next: 16.9 ms."""
_FIRST = 495 / RATE - FRAME_SECONDS / 2  # where the first frame begins, in seconds
_HOP = 148  # frames from one window to the next: 2.5 s; half of it is no better, double somewhat worse
_BATCH = 8  # windows per batch of the network
_SHORTEST = RATE  # samples below which silence is added, so that the network has something to normalise by
_QUIET = 2  # absolute value up to which samples are digital silence, dithered or not
_SURE = 0.8  # probability of speech that a stretch must reach to be speech where nothing else says so
_LEAST_HEARD = 0.25  # seconds below which such a stretch does not count


@dataclass(frozen=True, slots=True)
class Activity:
    """Who speaks in each frame, as the segmentation network hears it.

    Attributes:
        tracks: ``(frames, 3)`` bool, the voices that are active; a track is a voice only for some seconds.
        speech: ``(frames,)`` float32, the probability that anybody speaks.
    """

    tracks: np.ndarray
    speech: np.ndarray


def seconds(frame: int) -> float:
    """When a frame begins."""
    return max(0.0, frame * FRAME_SECONDS + _FIRST)


def span(first: int, last: int, *, end: float) -> Segment | None:
    """Frames ``[first, last)`` in seconds, up to the end of the recording; None behind it."""
    start, stop = seconds(first), min(end, seconds(last))
    return Segment(start, stop) if start < stop else None


def mark(segments: Sequence[Segment], frames: int, *, margin: float = 0.0) -> np.ndarray:
    """Which of the frames lie in segments that are widened by a margin in seconds: ``(frames,)`` bool."""
    marked = np.zeros(frames, dtype=bool)
    for segment in segments:
        start = round((segment.start - margin - _FIRST) / FRAME_SECONDS)
        end = round((segment.end + margin - _FIRST) / FRAME_SECONDS)
        marked[max(0, start) : max(0, end)] = True
    return marked


def runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """Stretches ``[first, last)`` of consecutive marked frames."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(np.int8)))
    return [(int(start), int(end)) for start, end in edges.reshape(-1, 2)]


def bridged(marked: np.ndarray, *, gap: float) -> np.ndarray:
    """The marked frames, with gaps shorter than ``gap`` seconds filled."""
    filled = marked.copy()
    for start, end in runs(~marked):
        if start > 0 and end < len(marked) and (end - start) * FRAME_SECONDS < gap:
            filled[start:end] = True
    return filled


def voice_activity(
    samples: np.ndarray,
    *,
    threads: int = 1,
    device: str = "cpu",
    on_seconds: Callable[[float], None] | None = None,
) -> Activity:
    """The voices of a recording, frame by frame.

    Args:
        samples: int16 at 16 kHz. Each batch of windows is read when it is needed, so that a memory map is never in
            memory as a whole. Windows of digital silence are skipped.
        threads: CPU threads of the network.
        device: Device of the network; see `merc.nn.device.resolve`.
        on_seconds: Called with the seconds processed so far.
    """
    from merc.nn import segmentation
    from merc.nn.threads import threads as threads_of

    length = min(segmentation.WINDOW, max(len(samples), _SHORTEST))
    width = segmentation.frame_count(length)
    frames = segmentation.frame_count(max(len(samples), length))
    starts = [*range(0, frames - width, _HOP), frames - width]
    activity = Activity(np.zeros((frames, TRACKS), dtype=bool), np.zeros(frames, dtype=np.float32))
    previous: tuple[int, np.ndarray] | None = None
    with threads_of(threads):
        for start, window, speech in _windows(samples, starts, length, device):
            if previous is not None:
                window = _permuted(previous, start, window)
            begin = start if previous is None else max(start, (previous[0] + width + start) // 2)
            activity.tracks[begin : start + width] = window[begin - start :]
            activity.speech[begin : start + width] = speech[begin - start :]
            previous = (start, window)
            if on_seconds:
                on_seconds(seconds(start + width))
    return activity


def agreed(activity: Activity, detected: Sequence[Segment], *, end: float) -> list[Segment]:
    """Regions of speech: those that were detected, and those of which the segmentation network is sure.

    Args:
        activity: Of the recording.
        detected: Regions of a voice activity detector, in order.
        end: Length of the recording in seconds.

    Returns:
        Regions in order that do not overlap.
    """
    heard = [
        part
        for first, last in runs(activity.tracks.sum(1) > 0)
        if (part := span(first, last, end=end)) is not None
        and part.duration >= _LEAST_HEARD
        and activity.speech[first:last].max() >= _SURE
    ]
    regions: list[Segment] = []
    for region in sorted([*detected, *heard]):
        if regions and region.start <= regions[-1].end:
            regions[-1] = Segment(regions[-1].start, max(regions[-1].end, region.end))
        else:
            regions.append(region)
    return regions


def _windows(
    samples: np.ndarray, starts: Sequence[int], length: int, device: str
) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Each window's first frame, its voices ``(frames, 3)``, bool, and its probabilities of speech ``(frames,)``."""
    import torch

    from merc.nn import segmentation
    from merc.nn.device import resolve

    place = resolve(device)
    network = _network(str(place))
    voices = np.array(segmentation.POWERSET, dtype=bool)
    for batch in _batches(samples, starts, length):
        sound = np.zeros((len(batch), length), dtype=np.float32)
        for row, start in zip(sound, batch, strict=True):
            part = samples[start * segmentation.STEP :][:length]
            row[: len(part)] = part
        logits = network(torch.from_numpy(sound / 32768).to(place))  # (windows, frames, 7)
        classes = logits.argmax(-1).cpu().numpy()
        speech = 1 - logits[..., 0].exp().cpu().numpy()
        yield from zip(batch, voices[classes], speech, strict=True)


def _network(device: str) -> Segmentation:
    return _loaded(weights.path("segmentation"), device)


@lru_cache(maxsize=2)
def _loaded(folder: Path, device: str) -> Segmentation:
    """The segmentation network from the folder of its weights, loaded once a process."""
    from merc.nn import segmentation

    return segmentation.load().to(device)


def _batches(samples: np.ndarray, starts: Sequence[int], length: int) -> Iterator[list[int]]:
    """First frames of windows in which there is sound, a few at a time."""
    from merc.nn.segmentation import STEP

    batch: list[int] = []
    for start in starts:
        part = samples[start * STEP :][:length]
        if len(part) and (part.max() > _QUIET or part.min() < -_QUIET):
            batch.append(start)
        if len(batch) == _BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _permuted(previous: tuple[int, np.ndarray], start: int, window: np.ndarray) -> np.ndarray:
    """The window with its voices in the order that agrees best with the window before it."""
    shift = start - previous[0]
    before, now = previous[1][shift:], window[: max(0, len(window) - shift)]
    if not len(before):
        return window
    agreement = before.astype(np.float32).T @ now.astype(np.float32)  # (voices before, voices now)
    order = max(permutations(range(TRACKS)), key=lambda one: sum(agreement[i, k] for i, k in enumerate(one)))
    return window[:, list(order)]
