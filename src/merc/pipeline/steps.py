"""Evidence by time: what voice and face say in each half second of an utterance.

A step is judged by the same head as the utterance: the voice from a window of a second around the step, because half a
second is too short for its encoder, and the face from the frames that lie in the step. Steps show where an expression
is; the utterance's own evidence, not their mean, is what is fused.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.conversation import Segment, Step
from merc.labels import EKMAN7
from merc.media.audio import RATE

LENGTH = 0.5
"""Seconds of a step; the last one of an utterance has .25 to .75."""
WINDOW = 1.0
"""Seconds of sound from which a step is judged."""


def cells(segment: Segment) -> list[Segment]:
    """The steps of an utterance, without gaps; none where it is shorter than the window.

    >>> [(cell.start, cell.end) for cell in cells(Segment(2.0, 3.2))]
    [(2.0, 2.5), (2.5, 3.2)]
    >>> cells(Segment(0.0, 0.9))
    []
    """
    if segment.duration < WINDOW:
        return []
    count = round(segment.duration / LENGTH)
    starts = [segment.start + number * LENGTH for number in range(count)]
    return [Segment(start, end) for start, end in zip(starts, [*starts[1:], segment.end], strict=True)]


def windows(segment: Segment) -> list[tuple[int, int]]:
    """For each step the first and last sample, within the utterance's own sound, that it is judged from."""
    found = []
    for cell in cells(segment):
        start = min(max(segment.start, cell.middle - WINDOW / 2), segment.end - WINDOW) - segment.start
        found.append((first := round(start * RATE), first + round(WINDOW * RATE)))
    return found


def of_windows(segment: Segment, judged: np.ndarray) -> tuple[Step, ...]:
    """The steps of an utterance from the probabilities ``(steps, 7)`` of its windows."""
    return tuple(map(_step, cells(segment), judged))


def of_frames(segment: Segment, times: Sequence[float], judged: np.ndarray) -> tuple[Step, ...]:
    """The steps in which frames lie, each the mean of its frames; none where all lie in one.

    Args:
        segment: The utterance.
        times: Seconds of the frames ``(k,)``.
        judged: Probabilities ``(k, 7)``.
    """
    steps = []
    at = np.asarray(times, dtype=float)
    for cell in cells(segment):
        inside = (at >= cell.start) & (at < cell.end)
        if inside.any():
            steps.append(_step(cell, judged[inside].mean(axis=0)))
    return tuple(steps) if len(steps) > 1 else ()


def _step(cell: Segment, row: np.ndarray) -> Step:
    return Step(cell, {label: float(p) for label, p in zip(EKMAN7, row, strict=True)})
