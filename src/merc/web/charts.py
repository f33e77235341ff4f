"""The drawings of the check's report: plain HTML and SVG, each with the numbers in words beside it."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import numpy as np

BINS = 40

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def safe(value: object) -> str:
    """Escape a value for HTML text and quoted attributes; characters that HTML cannot carry become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True)


def percent(share: float) -> str:
    """A share in [0, 1] with one decimal: ``2.5%``."""
    return f"{share * 100:.1f}%"


def section(name: str, title: str, *body: str) -> str:
    """A section of the page under its heading."""
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{safe(title)}</h2>\n{"".join(body)}</section>'


def about(text: str) -> str:
    """The paragraph that leads into a section."""
    return f'<p class="about">{safe(text)}</p>'


def table(heads: Sequence[str], rows: Sequence[Sequence[object]], *, foot: bool = False) -> str:
    """A table of text and numbers; numbers stand to the right, the last row is a sum where ``foot`` is set."""
    right = [bool(rows) and all(_numeric(row[column]) for row in rows) for column in range(len(heads))]
    sides = [' class="n"' if side else "" for side in right]
    head = "".join(f'<th scope="col"{side}>{safe(name)}</th>' for name, side in zip(heads, sides, strict=True))
    lines = []
    for number, row in enumerate(rows):
        cells = "".join(f"<td{side}>{_cell(value)}</td>" for value, side in zip(row[1:], sides[1:], strict=True))
        total = ' class="total"' if foot and number == len(rows) - 1 else ""
        lines.append(f'<tr{total}><th scope="row"{sides[0]}>{_cell(row[0])}</th>{cells}</tr>')
    body = "".join(lines)
    inner = f'<table class="list"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="wide" tabindex="0">{inner}</div>'


def bars(rows: Sequence[tuple[str, int]], *, total: int) -> str:
    """Counts as bars on one scale, each with its share of ``total``."""
    most = max((count for _, count in rows), default=1)
    items = "".join(
        f'<li><span>{safe(name)}</span><i style="--p:{100 * count / most:.2f}%"></i>'
        f"<b>{count:,}</b><small>{percent(count / total)}</small></li>"
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
    return f"{half}; {below:,} ({percent(below / len(values))}) below {threshold:.3g}"


def _numeric(value: object) -> bool:
    return value is None or isinstance(value, int | float) or str(value).endswith("%")


def _cell(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.3f}" if isinstance(value, float) else f"<bdi>{safe(value)}</bdi>"
