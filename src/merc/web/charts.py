"""Charts that any page may use: bars of counts and histograms, as plain HTML and SVG with their numbers in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.web.html import Html, macros
from merc.web.words import percent

BINS = 40


def bars(rows: Sequence[tuple[str, int]], *, total: int) -> Html:
    """Counts as bars on one scale, each with its share of ``total``."""
    most = max((count for _, count in rows), default=1)
    return macros("merc.web", "parts.html").bars(rows, total, most)


def histogram(
    title: str, values: np.ndarray, removed: np.ndarray, *, threshold: float | None = None, lowest: float = 0.0
) -> Html:
    """How a measure is distributed: kept and removed utterances stacked, the threshold as a dashed line.

    ``values`` (n,) are drawn from ``lowest`` to 1 in 40 bins, those outside in the outermost; ``removed`` (n,) bool.
    """
    edges = np.linspace(lowest, 1, BINS + 1)
    clipped = np.clip(values, lowest, 1)
    kept, out = (np.histogram(clipped[mask], edges)[0] for mask in (~removed, removed))
    most = max(1, int((kept + out).max()))
    shapes = [shape for number in range(BINS) for shape in _column(number, int(kept[number]), int(out[number]), most)]
    ticks = [
        (100 * (tick - lowest) / (1 - lowest), tick)
        for tick in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1)
        if tick >= lowest and (lowest == 0 or tick * 2 % 1 == 0)
    ]
    line = None if threshold is None else (100 * (threshold - lowest) / (1 - lowest), threshold)
    said = _in_words(title, values, threshold)
    return macros("merc.web", "parts.html").histogram(title, said, BINS, most, shapes, line, ticks)


def _column(number: int, kept: int, out: int, most: int) -> list[tuple[str, float, float, float]]:
    """The boxes of a bin, each its class, x, y and height."""
    below, above = (max(100 * count / most, 1.2) if count else 0.0 for count in (kept, out))
    boxes = []
    if kept:
        boxes.append(("kept", number + 0.06, 100 - below, below))
    if out:
        boxes.append(("out", number + 0.06, max(0.0, 100 - below - above), above))
    return boxes


def _in_words(title: str, values: np.ndarray, threshold: float | None) -> str:
    if not len(values):
        return "nothing was measured"
    half = f"{len(values):,} measured, half of them at or above {np.median(values):.2f}"
    if threshold is None:
        return half
    below = int((values < threshold).sum())
    return f"{half}; {below:,} ({percent(below / len(values), decimals=1)}) below {threshold:.3g}"
