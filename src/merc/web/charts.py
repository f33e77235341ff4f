"""Charts that any page may use: bars of counts and histograms, as plain HTML and SVG with their numbers in words."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.web.html import safe
from merc.web.words import percent

BINS = 40


def bars(rows: Sequence[tuple[str, int]], *, total: int) -> str:
    """Counts as bars on one scale, each with its share of ``total``."""
    most = max((count for _, count in rows), default=1)
    items = "".join(
        f'<li><span>{safe(name)}</span><i style="--p:{100 * count / most:.2f}%"></i>'
        f"<b>{count:,}</b><small>{percent(count / total, decimals=1)}</small></li>"
        for name, count in rows
    )
    return f'<ol class="bars">{items}</ol>'


def histogram(
    title: str, values: np.ndarray, removed: np.ndarray, *, threshold: float | None = None, lowest: float = 0.0
) -> str:
    """How a measure is distributed: kept and removed utterances stacked, the threshold as a dashed line.

    ``values`` (n,) are drawn from ``lowest`` to 1 in 40 bins, those outside in the outermost; ``removed`` (n,) bool.
    """
    edges = np.linspace(lowest, 1, BINS + 1)
    clipped = np.clip(values, lowest, 1)
    kept, out = (np.histogram(clipped[mask], edges)[0] for mask in (~removed, removed))
    most = max(1, int((kept + out).max()))
    shapes = "".join(_column(number, int(kept[number]), int(out[number]), most) for number in range(BINS))
    words = _in_words(title, values, threshold)
    line = "" if threshold is None else _threshold(threshold, lowest)
    ticks = "".join(
        f'<span style="left:{100 * (tick - lowest) / (1 - lowest):.1f}%">{tick:g}</span>'
        for tick in (-1, -0.5, 0, 0.25, 0.5, 0.75, 1)
        if tick >= lowest and (lowest == 0 or tick * 2 % 1 == 0)
    )
    return (
        f'<figure class="histogram"><figcaption><b>{safe(title)}</b> {safe(words)}</figcaption>'
        f'<div class="frame"><small class="most">{most:,}</small>'
        f'<svg viewBox="0 0 {BINS} 100" preserveAspectRatio="none" role="img" '
        f'aria-label="{safe(title)}: {safe(words)}">{shapes}</svg>{line}</div>'
        f'<div class="ticks" aria-hidden="true">{ticks}</div></figure>'
    )


def _column(number: int, kept: int, out: int, most: int) -> str:
    below, above = (max(100 * count / most, 1.2) if count else 0.0 for count in (kept, out))
    parts = []
    if kept:
        parts.append(
            f'<rect class="kept" x="{number + 0.06:.2f}" y="{100 - below:.2f}" width=".88" height="{below:.2f}"/>'
        )
    if out:
        parts.append(
            f'<rect class="out" x="{number + 0.06:.2f}" y="{max(0.0, 100 - below - above):.2f}" width=".88" '
            f'height="{above:.2f}"/>'
        )
    return "".join(parts)


def _threshold(threshold: float, lowest: float) -> str:
    left = 100 * (threshold - lowest) / (1 - lowest)
    side = " leftward" if left > 70 else ""
    return f'<i class="threshold{side}" style="left:{left:.2f}%"><small>{threshold:.3g}</small></i>'


def _in_words(title: str, values: np.ndarray, threshold: float | None) -> str:
    if not len(values):
        return "nothing was measured"
    half = f"{len(values):,} measured, half of them at or above {np.median(values):.2f}"
    if threshold is None:
        return half
    below = int((values < threshold).sum())
    return f"{half}; {below:,} ({percent(below / len(values), decimals=1)}) below {threshold:.3g}"
