"""Voice activity of up to three voices at once, frame by frame over a recording.

The segmentation network reads 10 s at a time. Its three voices are permuted from one window to the next so that they
agree where windows overlap, and of each window only the middle is kept. The result is three tracks that
separate voices close in time; over a recording a track is *not* a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import permutations

import numpy as np

from merc.conversation import Segment
from merc.nn.fbank import RATE

TRACKS = 3
FRAME_SECONDS = 270 / RATE
"""Seconds from one frame to the next: 16.9 ms."""
_FIRST = 495 / RATE - FRAME_SECONDS / 2  # where the first frame begins, in seconds
_HOP = 148  # frames from one window to the next: 2.5 s; half of it is no better, double somewhat worse
_BATCH = 8  # windows per batch of the network
_SHORTEST = RATE  # samples below which silence is added, so that the network has something to normalise by


def seconds(frame: int) -> float:
    """When a frame begins."""
    return max(0.0, frame * FRAME_SECONDS + _FIRST)


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


def voice_tracks(
    samples: np.ndarray,
    speech: Sequence[Segment],
    *,
    device: str = "cpu",
    on_seconds: Callable[[float], None] | None = None,
) -> np.ndarray:
    """The three tracks of a recording.

    Args:
        samples: int16 at 16 kHz. Each batch of windows is read when it is needed, so that a memory map is never in
            memory as a whole.
        speech: Regions of speech; windows without any are skipped and have no voice.
        device: Device of the network; see `merc.nn.device.resolve`.
        on_seconds: Called with the seconds processed so far.

    Returns:
        ``(frames, 3)`` bool.
    """
    from merc.nn import segmentation

    length = min(segmentation.WINDOW, max(len(samples), _SHORTEST))
    width = segmentation.frame_count(length)
    frames = segmentation.frame_count(max(len(samples), length))
    starts = [*range(0, frames - width, _HOP), frames - width]
    spoken = mark(speech, frames, margin=0.5)
    used = [start for start in starts if spoken[start : start + width].any()]
    tracks = np.zeros((frames, TRACKS), dtype=bool)
    previous: tuple[int, np.ndarray] | None = None
    for start, window in _windows(samples, used, length, device):
        if previous is not None:
            window = _permuted(previous, start, window)
        begin = start if previous is None else max(start, (previous[0] + width + start) // 2)
        tracks[begin : start + width] = window[begin - start :]
        previous = (start, window)
        if on_seconds:
            on_seconds(seconds(start + width))
    return tracks


def _windows(samples: np.ndarray, starts: Sequence[int], length: int, device: str) -> Iterator[tuple[int, np.ndarray]]:
    """Each window's first frame and its voices ``(frames, 3)``, bool."""
    import torch

    from merc.nn import segmentation
    from merc.nn.device import resolve

    place = resolve(device)
    network = segmentation.load().to(place)
    voices = np.array(segmentation.POWERSET, dtype=bool)
    for first in range(0, len(starts), _BATCH):
        batch = starts[first : first + _BATCH]
        sound = np.zeros((len(batch), length), dtype=np.float32)
        for row, start in zip(sound, batch, strict=True):
            part = samples[start * segmentation.STEP :][:length]
            row[: len(part)] = part
        logits = network(torch.from_numpy(sound / 32768).to(place))  # (windows, frames, 7)
        classes = logits.argmax(-1).cpu().numpy()
        yield from zip(batch, voices[classes], strict=True)


def _permuted(previous: tuple[int, np.ndarray], start: int, window: np.ndarray) -> np.ndarray:
    """The window with its voices in the order that agrees best with the window before it."""
    shift = start - previous[0]
    before, now = previous[1][shift:], window[: max(0, len(window) - shift)]
    if not len(before):
        return window
    agreement = before.astype(np.float32).T @ now.astype(np.float32)  # (voices before, voices now)
    order = max(permutations(range(TRACKS)), key=lambda one: sum(agreement[i, k] for i, k in enumerate(one)))
    return window[:, list(order)]
