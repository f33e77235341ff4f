"""Windows of speech: what the recogniser reads at once, cut at pauses."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from merc.conversation import Segment
from merc.errors import InputError
from merc.speech.vad import RATE

if TYPE_CHECKING:
    from numpy.typing import NDArray

LONGEST = 28.0
"""Seconds of the longest window: Whisper's 30 s less room for a last word."""

_STEP = 0.05  # seconds over which loudness is measured to find the quietest place


def windows(
    speech: Sequence[Segment], *, samples: NDArray[np.int16] | None = None, longest: float = LONGEST
) -> list[Segment]:
    """Pack regions of speech, in order, into windows that begin and end at pauses.

    Of the pauses in the last quarter of what fits, a window ends at the longest.

    Args:
        speech: Regions in order that do not overlap.
        samples: int16 at 16 kHz; a region that does not fit into a window is split at its quietest place where they
            are given, else at ``longest``.
        longest: Most seconds of a window, 4 to 30.

    Raises:
        InputError: regions overlap or are out of order, or Whisper cannot read that length.
    """
    if not 4 <= longest <= 30:
        raise InputError(f"longest {longest}: expected 4 to 30 s")
    for before, after in pairwise(speech):
        if after.start < before.end:
            raise InputError(
                f"speech at {after.start} s begins before the one in front ends ({before.end} s): "
                "expected regions in order that do not overlap"
            )
    pieces = [piece for region in speech for piece in _split(region, samples, longest)]
    packed = []
    first = 0
    while first < len(pieces):
        last = _last_of_window(pieces, first, longest)
        packed.append(Segment(pieces[first].start, pieces[last].end))
        first = last + 1
    return packed


def _last_of_window(pieces: Sequence[Segment], first: int, longest: float) -> int:
    """Which piece ends the window that begins with ``first``: the one before the longest of the late pauses."""
    start = pieces[first].start
    last = first
    while last + 1 < len(pieces) and pieces[last + 1].end - start <= longest:
        last += 1
    if last + 1 == len(pieces):
        return last
    late = [n for n in range(first, last + 1) if pieces[n].end - start >= 0.75 * longest] or [last]
    return max(late, key=lambda n: (pieces[n + 1].start - pieces[n].end, n))


def _split(region: Segment, samples: NDArray[np.int16] | None, longest: float) -> list[Segment]:
    """Cut a region that is too long, each time at the quietest place of the second half that fits."""
    pieces = []
    start = region.start
    while region.end - start > longest:
        cut = min(start + longest, region.end - 1.0)  # no slivers
        if samples is not None:
            cut = _quietest(samples, Segment(start + longest / 2, cut))
        pieces.append(Segment(start, cut))
        start = cut
    return [*pieces, Segment(start, region.end)]


def _quietest(samples: NDArray[np.int16], within: Segment) -> float:
    size = int(_STEP * RATE)
    first = int(within.start * RATE)
    sound = np.asarray(samples[first : int(within.end * RATE)], np.float64)
    steps = len(sound) // size
    if steps < 3:
        return within.end
    energy = np.square(sound[: steps * size]).reshape(steps, size).mean(axis=1)
    around = np.convolve(energy, np.ones(3) / 3, mode="valid")  # 150 ms, so that a closed stop is no pause
    return (first + (int(np.argmin(around)) + 1.5) * size) / RATE
