"""Pictures of a measurement as self-contained SVG: the confusion matrix, and what abstention buys.

Text is text, colours are one hue from light to dark, every cell has its number, and equal values give equal bytes.
"""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from merc.errors import InputError

_CELL, _LEFT, _TOP = 56, 110, 96
_INK, _PAPER, _HUE = "#1b1f24", "#ffffff", (13, 71, 161)
_STEPS = 250  # of a curve
_FONT = 'font-family="system-ui, sans-serif"'


def confusion_svg(matrix: np.ndarray, labels: Sequence[str], *, title: str) -> str:
    """A confusion matrix ``(classes, classes)``, rows annotated, columns predicted.

    Each cell shows the share of its row in percent and below it the number. Raises InputError for a matrix that does
    not fit its labels.
    """
    size = len(labels)
    if matrix.shape != (size, size) or not size:
        raise InputError(f"confusion matrix of shape {matrix.shape} for {size} labels: expected {(size, size)}")
    width, height = _LEFT + size * _CELL + 48, _TOP + size * _CELL + 40
    shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
    parts = [_text(16, 26, title, size=15, bold=True)]
    for place, label in enumerate(labels):
        middle = place * _CELL + _CELL / 2
        parts.append(_text(_LEFT - 8, _TOP + middle + 4, label, anchor="end"))
        parts.append(_text(_LEFT + middle, _TOP - 8, label, turned=True))
    for row in range(size):
        for column in range(size):
            parts += _cell(row, column, share=float(shares[row, column]), number=int(matrix[row, column]))
    foot = (
        f"rows: annotated, columns: predicted; percent of the row, number of utterances; {int(matrix.sum()):,} in all"
    )
    parts.append(_text(16, height - 12, foot, size=10))
    return _page(max(width, 470), height, title, parts)


def risk_coverage_svg(covered: np.ndarray, risk: np.ndarray, *, title: str, chosen: float | None = None) -> str:
    """The error among answered utterances against the share that is answered, both from 0 to 1 ``(points,)``.

    ``chosen`` marks a coverage, that of the threshold in use. Raises InputError for lists that do not fit.
    """
    if covered.shape != risk.shape or covered.ndim != 1 or not len(covered):
        raise InputError(f"coverage of shape {covered.shape}, risk of {risk.shape}: expected two lists of one length")
    left, top, width, height = 64, 56, 380, 240
    highest = max(0.1, float(np.ceil(risk.max() * 10) / 10))
    shown = _thinned(covered)
    x, y = left + covered[shown] * width, top + height - risk[shown] / highest * height
    line = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
    parts = [_text(16, 26, title, size=15, bold=True)]
    for step in range(6):
        level, across = top + height - step / 5 * height, left + step / 5 * width
        parts.append(f'<path d="M{left} {level:.1f}h{width}" stroke="#d0d7de" stroke-width="1"/>')
        parts.append(_text(left - 8, level + 4, f"{100 * highest * step / 5:.0f} %", anchor="end", size=11))
        parts.append(_text(across, top + height + 18, f"{20 * step} %", anchor="middle", size=11))
    parts.append(f'<polyline points="{line}" fill="none" stroke="{_shade(1)}" stroke-width="2"/>')
    if chosen is not None:
        place = left + chosen * width
        parts.append(f'<path d="M{place:.1f} {top}v{height}" stroke="{_INK}" stroke-dasharray="4 4"/>')
    parts.append(_text(left + width / 2, top + height + 38, "coverage", anchor="middle", size=12))
    parts.append(_text(left, top - 4, "errors among them", size=11))
    return _page(left + width + 24, top + height + 52, title, parts)


def _thinned(covered: np.ndarray) -> np.ndarray:
    """Places of a few hundred points, the first of each small step of coverage and the last of all: the eye's limit."""
    steps = np.floor(np.asarray(covered, dtype=np.float64) * _STEPS)
    return np.unique(np.append(np.flatnonzero(np.diff(steps, prepend=-1.0) > 0), len(covered) - 1))


def _cell(row: int, column: int, *, share: float, number: int) -> list[str]:
    x, y = _LEFT + column * _CELL, _TOP + row * _CELL
    ink = _PAPER if share > 0.66 else _INK
    edge = f' stroke="{_INK}" stroke-width="1.5"' if row == column else ""
    inset = f'x="{x + 1}" y="{y + 1}" width="{_CELL - 2}" height="{_CELL - 2}"'
    return [
        f'<rect {inset} fill="{_shade(share)}"{edge}/>',
        _text(x + _CELL / 2, y + 27, f"{100 * share:.1f}", anchor="middle", ink=ink),
        _text(x + _CELL / 2, y + 43, f"{number:,}", anchor="middle", size=10, ink=ink),
    ]


def _shade(share: float) -> str:
    """From nearly white to the full hue."""
    return "#" + "".join(f"{round(246 + (channel - 246) * share):02x}" for channel in _HUE)


def _text(
    x: float,
    y: float,
    words: str,
    *,
    size: int = 13,
    anchor: str = "start",
    ink: str = _INK,
    bold: bool = False,
    turned: bool = False,
) -> str:
    """One line of text; more than five arguments, because SVG has no other way to say how a text looks."""
    weight = ' font-weight="600"' if bold else ""
    turn = f' transform="rotate(-40 {x:g} {y:g})"' if turned else ""
    place = f'x="{x:g}" y="{y:g}" font-size="{size}" text-anchor="{anchor}"'
    return f'<text {place} fill="{ink}"{weight}{turn}>{html.escape(words)}</text>'


def _page(width: float, height: float, title: str, parts: Sequence[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" width="{width:g}" role="img"'
    body = "\n".join(parts)
    paper = f'<rect width="100%" height="100%" fill="{_PAPER}"/>'
    return f"{head} {_FONT}>\n<title>{html.escape(title)}</title>\n{paper}\n{body}\n</svg>\n"
