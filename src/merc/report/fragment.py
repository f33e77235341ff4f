"""A small picture of a timeline for notebooks: styled in place, readable on light and on dark backgrounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merc.conversation import Prediction, Timeline, Utterance
from merc.report.notice import NOTICE
from merc.report.summary import NO_LABEL, Axis, Row, Slice, axis, by_speaker, name_of, slices, ticks
from merc.web.html import macros
from merc.web.palette import Look, looks
from merc.web.words import clock, counted, length, percent

MOST_LINES = 12
"""Utterances that the table lists before it says how many more there are."""

MOST_LETTERS = 90
"""Letters of an utterance that the table shows."""

# A notebook does not tell whether it is light or dark; the colours for a dark page stand out on both.

_WIDTH, _GUTTER, _LANE = 720, 110, 26
_FONT = "font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums"
_CELL = "text-align:left;padding:2px 10px 2px 0;border:0;background:none;vertical-align:baseline"


def fragment(timeline: Timeline) -> str:
    """A timeline as HTML for a notebook: one strip a speaker and the first utterances, as people corrected them.

    Args:
        timeline: As predicted, with its edits.

    Returns:
        An element with its own styles; it needs nothing else.

    Example:
        >>> from merc.conversation import Recording
        >>> fragment(Timeline(Recording("talk.wav", "0" * 64, 2.0, has_audio=True, has_video=False), (), ()))[:4]
        '<div'
    """
    timeline = timeline.corrected
    rows, time = by_speaker(timeline), axis(timeline)
    people, said = counted(len(rows), "speaker"), counted(len(timeline), "utterance")
    scale = (_WIDTH - _GUTTER) / time.seconds
    lines = [_line(*pair) for pair in list(timeline)[:MOST_LINES]]
    rest = len(timeline) - len(lines)
    view = _View(
        name=timeline.recording.name,
        title=f"{length(timeline.recording.duration)}, {people}, {said}",
        height=_LANE * len(rows) + 18,
        strips=[_strip(timeline, time, name, own, _LANE * line) for line, (name, own) in enumerate(rows.items())],
        times=[(t, _GUTTER + t * scale) for t in ticks(time.seconds) if t * scale < _WIDTH - _GUTTER - 14],
        looks=looks(timeline.labels),
        lines=lines,
        more=counted(rest, "more utterance") if rest else "",
    )
    return str(macros("merc.report", "fragment.html").fragment(view))


@dataclass(frozen=True, slots=True)
class _Line:
    time: str
    name: str
    text: str
    label: str | None
    confidence: float


@dataclass(frozen=True, slots=True)
class _Box:
    """One column of a strip; without a look it is hollow."""

    left: float
    width: float
    opacity: float
    look: Look | None
    tip: str


@dataclass(frozen=True, slots=True)
class _Strip:
    top: int
    name: str
    boxes: Sequence[_Box]


@dataclass(frozen=True, slots=True)
class _View:
    """What the template shows."""

    name: str
    title: str
    height: int
    strips: Sequence[_Strip]
    times: Sequence[tuple[float, float]]
    """Of the axis: seconds, and where they are."""
    looks: Mapping[str, Look]
    lines: Sequence[_Line]
    more: str
    notice: str = NOTICE.split(". ", maxsplit=1)[0]
    no_label: str = NO_LABEL
    width: int = _WIDTH
    gutter: int = _GUTTER
    font: str = _FONT
    cell: str = _CELL


def _strip(timeline: Timeline, time: Axis, name: str, rows: list[Row], top: int) -> _Strip:
    short = name if len(name) <= 16 else f"{name[:15]}…"
    return _Strip(top, short, [_box(timeline, time, column) for column in slices(timeline, rows, time)])


def _box(timeline: Timeline, time: Axis, column: Slice) -> _Box:
    scale = (_WIDTH - _GUTTER) / time.seconds
    return _Box(
        left=_GUTTER + column.start * scale,
        width=max(1.0, (column.end - column.start) * scale),
        opacity=0.45 + 0.55 * column.confidence,
        look=looks(timeline.labels).get(column.label or ""),
        tip=f"{clock(column.start)} {column.label or NO_LABEL} {percent(column.confidence)}",
    )


def _line(utterance: Utterance, prediction: Prediction) -> _Line:
    text = utterance.text or ""
    return _Line(
        time=clock(utterance.segment.start) if utterance.segment else "–",
        name=name_of(utterance),
        text=text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS].rstrip() + "…",
        label=prediction.label,
        confidence=prediction.confidence,
    )
