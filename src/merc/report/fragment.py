"""A small picture of a timeline for notebooks: styled in place, readable on light and on dark backgrounds."""

from __future__ import annotations

from merc.conversation import Prediction, Timeline, Utterance
from merc.report.notice import NOTICE
from merc.report.summary import NO_LABEL, Axis, Row, Slice, axis, by_speaker, name_of, slices, ticks
from merc.web.html import safe
from merc.web.palette import looks
from merc.web.words import clock, counted, length, number, percent

MOST_LINES = 12
"""Utterances that the table lists before it says how many more there are."""

MOST_LETTERS = 90
"""Letters of an utterance that the table shows."""

# A notebook does not tell whether it is light or dark; the colours for a dark page stand out on both.

_WIDTH, _GUTTER, _LANE = 720, 110, 26
_FONT = "font-family:system-ui,sans-serif;font-variant-numeric:tabular-nums"
_CELL = "text-align:left;padding:2px 10px 2px 0;border:0;background:none;vertical-align:baseline"


def fragment(timeline: Timeline) -> str:
    """HTML of one strip a speaker and of the first utterances, as people corrected them; it needs nothing else."""
    timeline = timeline.corrected
    recording = timeline.recording
    rows = by_speaker(timeline)
    title = f"{length(recording.duration)}, {counted(len(rows), 'speaker')}, {counted(len(timeline), 'utterance')}"
    body = f"{_strips(timeline, rows)}{_key(timeline)}{_table(timeline)}" if len(timeline) else "<p>No utterance.</p>"
    short = NOTICE.split(". ", maxsplit=1)[0]
    return (
        f'<div style="max-width:{_WIDTH}px;{_FONT};font-size:13px;line-height:1.45;color:inherit">'
        f'<p style="margin:0 0 6px"><strong><bdi>{safe(recording.name)}</bdi></strong> · {title}</p>{body}'
        f'<p style="margin:6px 0 0;font-size:11px;opacity:.8">{safe(short)}.</p></div>'
    )


def _strips(timeline: Timeline, rows: dict[str, list[Row]]) -> str:
    time, height = axis(timeline), _LANE * len(rows) + 18
    scale = (_WIDTH - _GUTTER) / time.seconds
    lanes = "".join(
        _strip(timeline, time, name, top=_LANE * line, rows=own) for line, (name, own) in enumerate(rows.items())
    )
    times = "".join(
        f'<text x="{number(_GUTTER + t * scale)}" y="{height - 4}" text-anchor="{"start" if not t else "middle"}" '
        f'fill="currentColor" font-size="10" opacity=".8">{clock(t)}</text>'
        for t in ticks(time.seconds)
        if t * scale < _WIDTH - _GUTTER - 14
    )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="100%" role="img" style="display:block" '
        f'aria-label="Predicted labels over time, one strip a speaker">{lanes}{times}</svg>'
    )


def _strip(timeline: Timeline, time: Axis, name: str, *, top: int, rows: list[Row]) -> str:
    short = name if len(name) <= 16 else f"{name[:15]}…"
    boxes = "".join(_box(timeline, time, top, column) for column in slices(timeline, rows, time))
    return (
        f'<text x="0" y="{top + 16}" fill="currentColor" font-size="12">{safe(short)}</text>'
        f'<line x1="{_GUTTER}" x2="{_WIDTH}" y1="{top + 22.5}" y2="{top + 22.5}" stroke="currentColor" '
        f'stroke-opacity=".2"/>{boxes}'
    )


def _box(timeline: Timeline, time: Axis, top: int, column: Slice) -> str:
    look, scale = looks(timeline.labels).get(column.label or ""), (_WIDTH - _GUTTER) / time.seconds
    paint = (
        f'fill="{look.dark}" opacity="{number(0.45 + 0.55 * column.confidence)}"'
        if look
        else 'fill="none" stroke="currentColor" stroke-opacity=".6" stroke-dasharray="2 2"'
    )
    tip = f"{clock(column.start)} {column.label or NO_LABEL} {percent(column.confidence)}"
    return (
        f'<rect x="{number(_GUTTER + column.start * scale)}" y="{top + 3}" height="17" rx="1.5" '
        f'width="{number(max(1.0, (column.end - column.start) * scale))}" {paint}><title>{safe(tip)}</title></rect>'
    )


def _key(timeline: Timeline) -> str:
    keys = "".join(
        f'<span style="white-space:nowrap;margin-right:12px">{_glyph(timeline, label)} {safe(label)}</span>'
        for label in timeline.labels
    )
    return f'<p style="margin:4px 0 6px;font-size:12px">{keys}<span>▢ {NO_LABEL}</span></p>'


def _glyph(timeline: Timeline, label: str | None) -> str:
    look = looks(timeline.labels).get(label or "")
    return f'<span aria-hidden="true" style="color:{look.dark}">{look.glyph}</span>' if look else "▢"


def _table(timeline: Timeline) -> str:
    pairs = list(timeline)[:MOST_LINES]
    lines = "".join(_line(timeline, utterance, prediction) for utterance, prediction in pairs)
    heads = "".join(
        f'<th scope="col" style="{_CELL};font-weight:600">{head}</th>'
        for head in ("time", "speaker", "text", "predicted label", "confidence")
    )
    rest = len(timeline) - len(pairs)
    more = f'<p style="margin:4px 0 0">and {counted(rest, "more utterance")}</p>' if rest else ""
    return (
        f'<table style="border-collapse:collapse;font-size:12px;color:inherit;margin:0;background:none"><thead>'
        f'<tr style="background:none">{heads}</tr></thead><tbody>{lines}</tbody></table>{more}'
    )


def _line(timeline: Timeline, utterance: Utterance, prediction: Prediction) -> str:
    text = utterance.text or ""
    cells = (
        clock(utterance.segment.start) if utterance.segment else "–",
        f"<bdi>{safe(name_of(utterance))}</bdi>",
        f"<bdi>{safe(text if len(text) <= MOST_LETTERS else text[:MOST_LETTERS].rstrip() + '…')}</bdi>",
        f"{_glyph(timeline, prediction.label)} {safe(prediction.label or NO_LABEL)}",
        percent(prediction.confidence),
    )
    return f'<tr style="background:none">{"".join(f"""<td style="{_CELL}">{cell}</td>""" for cell in cells)}</tr>'
