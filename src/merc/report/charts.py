"""The pictures of the report: the curve of each speaker over time, and the bars of shares.

Times are placed in percent of the page, so that the pictures shrink with it while their text does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from merc.conversation import Timeline
from merc.report.summary import NO_LABEL, Axis, Row, Shares, Slice, axis, overlapped, shares, slices, ticks
from merc.web.html import safe
from merc.web.palette import stacking
from merc.web.words import clock, counted, length, listed, number, percent

WIDTH, HEIGHT = 1000, 100
"""Units of the drawing in which a curve is laid out; the page stretches it."""

BRIDGE = 15.0
"""Longest silence, in seconds, across which a faint band leads from one utterance of a speaker to the next."""


def legend(timeline: Timeline) -> str:
    """The key of all pictures: shape, colour and name of each label, and how doubt and overlap look."""
    keys = [f"<li>{mark(place)}{safe(label)}" for place, label in enumerate(timeline.labels)]
    keys.append(f'<li><i class="m none"></i>{NO_LABEL} (abstained)')
    if timeline.overlaps:
        keys.append('<li><i class="swatch hatch"></i>several voices at once')
    return f'<ul class="legend" aria-label="Key">{"".join(keys)}</ul>'


def mark(place: int | None) -> str:
    """The shape of a label, by its position in the timeline's labels; hollow for None."""
    return f'<i class="m l{place}"></i>' if place is not None else '<i class="m none"></i>'


def curves(timeline: Timeline, rows: dict[str, list[Row]]) -> str:
    """The small multiples: one curve a speaker over one shared axis of time."""
    time = axis(timeline)
    seconds = time.seconds
    lanes = "".join(_lane(timeline, time, name, own) for name, own in rows.items())
    grid = "".join(f'<i style="left:{number(100 * t / seconds)}%"></i>' for t in ticks(seconds))
    return (
        f'<div class="plot" data-seconds="{number(seconds)}"><div class="grid" aria-hidden="true">{grid}</div>{lanes}'
        f'<div class="axis" aria-hidden="true">{_axis(seconds)}</div></div>'
    )


def _axis(seconds: float) -> str:
    places = ((position, t, 100 * t / seconds) for position, t in enumerate(ticks(seconds)))
    return "".join(
        f'<span class="{"odd" if position % 2 else "even"}{" last" if x > 96 else ""}" style="left:{number(x)}%">'
        f"{clock(t)}</span>"
        for position, t, x in places
    )


def _lane(timeline: Timeline, time: Axis, name: str, rows: list[Row]) -> str:
    columns = slices(timeline, rows, time)
    said = sum(u.segment.duration for _, u, _ in rows if u.segment)
    about = f"{counted(len(rows), 'utterance')}, {length(said)}" if rows else "no utterance"
    drawn = _bridges(timeline, time, columns) + "".join(_column(timeline, time, column) for column in columns)
    hatches = "".join(
        f'<i class="hatch" style="left:{_x(time, o.start) / 10:.2f}%;'
        f'width:{max(0.15, (_x(time, o.end) - _x(time, o.start)) / 10):.2f}%"></i>'
        for o in overlapped(timeline, rows)
    )
    return (
        f'<div class="lane"><p class="who"><bdi>{safe(name)}</bdi><span>{about}</span></p>'
        f'<div class="band"><svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" '
        f'aria-label="{safe(f"{name}: {describe(timeline, rows)}")}">{drawn}</svg>{hatches}</div>'
        f'<div class="marks" aria-hidden="true">{_marks(timeline, time, columns)}</div></div>'
    )


def describe(timeline: Timeline, rows: list[Row]) -> str:
    """One sentence that says which labels take up the speaking time, the largest first."""
    share = shares(timeline, rows)
    amounts = share.seconds if sum(share.seconds) else tuple(float(count) for count in share.counts)
    unit = "speaking time" if sum(share.seconds) else "utterances"
    total = sum(amounts)
    if not total:
        return "no utterance."
    names = (*timeline.labels, NO_LABEL)
    ranked = sorted(range(len(names)), key=lambda place: (-amounts[place], place))
    phrases = [f"{names[place]} {percent(amounts[place] / total)}" for place in ranked[:4] if amounts[place]]
    return f"predicted labels by {unit}: {listed(phrases)}."


def _x(time: Axis, seconds: float) -> float:
    return WIDTH * seconds / time.seconds


def _levels(timeline: Timeline, column: Slice) -> dict[int, tuple[float, float]]:
    """Where each label's band lies, from its top to its bottom; the first of the stack lies at the bottom."""
    levels, bottom = {}, float(HEIGHT)
    for place in stacking(timeline.labels):
        top = bottom - HEIGHT * (column.probabilities or (0.0,) * len(timeline.labels))[place]
        levels[place], bottom = (top, bottom), top
    return levels


def _column(timeline: Timeline, time: Axis, column: Slice) -> str:
    """One utterance (or average): its probabilities stacked, its confidence as opacity, hollow where it abstains."""
    left, right = _x(time, column.start), _x(time, column.end)
    right = max(right, left + 0.8)
    box = f"M{number(left)} {{}}H{number(right)}V{{}}H{number(left)}Z"
    if column.probabilities is None:
        return f'<g class="no"><path class="blank" d="{box.format(1, HEIGHT - 1)}"/></g>'
    paths = "".join(
        f'<path class="l{place}" d="{box.format(number(top), number(bottom))}"/>'
        for place, (top, bottom) in _levels(timeline, column).items()
        if bottom - top >= 0.5
    )
    hollow = ' class="no"' if column.label is None else f' opacity="{number(0.4 + 0.6 * column.confidence)}"'
    return f"<g{hollow}><title>{safe(_tip(timeline, column))}</title>{paths}</g>"


def _tip(timeline: Timeline, column: Slice) -> str:
    span = f"{clock(column.start)} to {clock(column.end)}"
    return f"{span}: {column.label or NO_LABEL}, confidence {percent(column.confidence)}"


def _bridge(start: tuple[float, float, float], end: tuple[float, float, float]) -> str:
    """The path of a band between two stretches, each x, top and bottom; empty where both are below one unit."""
    (left, top, bottom), (right, to_top, to_bottom) = start, end
    if max(bottom - top, to_bottom - to_top) < 1:
        return ""
    a, b, middle = number(left), number(right), number((left + right) / 2)
    t, u, v, w = map(number, (top, to_top, to_bottom, bottom))
    return f"M{a} {t}C{middle} {t} {middle} {u} {b} {u}V{v}C{middle} {v} {middle} {w} {a} {w}Z"


def _bridges(timeline: Timeline, time: Axis, columns: Sequence[Slice]) -> str:
    """Faint bands from one utterance of a speaker to the next, to lead the eye; nothing was measured there."""
    if time.step is not None:
        return ""
    paths: dict[int, list[str]] = {place: [] for place in stacking(timeline.labels)}
    for one, two in pairwise(columns):
        if one.probabilities and two.probabilities and 0 < two.start - one.end <= BRIDGE:
            ends = _levels(timeline, two)
            for place, begin in _levels(timeline, one).items():
                paths[place].append(_bridge((_x(time, one.end), *begin), (_x(time, two.start), *ends[place])))
    drawn = "".join(f'<path class="l{place}" d="{"".join(d)}"/>' for place, d in paths.items() if any(d))
    return f'<g class="bridge">{drawn}</g>'


def _marks(timeline: Timeline, time: Axis, columns: Sequence[Slice]) -> str:
    """The shape of each utterance's label below its column, a link to it; left out where it would not fit."""
    place = {label: position for position, label in enumerate(timeline.labels)}
    drawn, last = [], -WIDTH
    for column in columns:
        middle = (_x(time, column.start) + _x(time, column.end)) / 2
        if column.index is None or middle - last < 11:
            continue
        crowded, last = (" tight" if middle - last < 32 else ""), round(middle)
        shape = f"l{place[column.label]}" if column.label in place else "none"
        drawn.append(
            f'<a class="m {shape}{crowded}" href="#u{column.index + 1}" tabindex="-1" '
            f'style="left:{number(middle / 10)}%"></a>'
        )
    return "".join(drawn)


def share_card(timeline: Timeline, name: str, rows: list[Row]) -> str:
    """The shares of one speaker: a stacked bar by speaking time, one by utterances, and the numbers of both."""
    share = shares(timeline, rows)
    return (
        f'<article class="share"><h3><bdi>{safe(name)}</bdi></h3>{_face(timeline, name)}'
        f"{_bar(timeline, 'time', share.seconds)}{_bar(timeline, 'count', tuple(map(float, share.counts)))}"
        f"{_numbers(timeline, name, share)}</article>"
    )


def _face(timeline: Timeline, name: str) -> str:
    """Whether a face was linked to the voice, and if not, why; nothing where the recording has no picture."""
    found = next((speaker for speaker in timeline.speakers if speaker.id == name), None)
    if found is None or not timeline.recording.has_video:
        return ""
    about = (
        "Face seen and linked to the voice." if found.face else f"No face: {found.face_reason or 'none was linked'}."
    )
    return f'<p class="face">{safe(about)}</p>'


def _bar(timeline: Timeline, what: str, amounts: Sequence[float]) -> str:
    total = sum(amounts) or 1.0
    order = [*stacking(timeline.labels), len(timeline.labels)]
    parts = "".join(
        f'<i class="{f"l{place}" if place < len(timeline.labels) else "none"}" '
        f'style="flex-grow:{number(1000 * amounts[place] / total)}"></i>'
        for place in order
        if amounts[place]
    )
    return f'<div class="stack {what}" aria-hidden="true">{parts}</div>'


def _numbers(timeline: Timeline, name: str, share: Shares) -> str:
    seconds, count = sum(share.seconds), sum(share.counts)
    lines = []
    for place, label in enumerate((*timeline.labels, f"{NO_LABEL} (abstained)")):
        by_time = percent(share.seconds[place] / seconds) if share.seconds[place] else "–"
        by_count = percent(share.counts[place] / count) if share.counts[place] else "–"
        empty = "" if share.counts[place] else ' class="zero"'
        lines.append(
            f'<tr{empty}><th scope="row">{mark(place if place < len(timeline.labels) else None)}{safe(label)}</th>'
            f"<td>{by_time}</td><td>{by_count} <small>({share.counts[place]})</small></td></tr>"
        )
    return (
        f'<table><caption class="quiet">Share of each predicted label, <bdi>{safe(name)}</bdi></caption><thead><tr>'
        f'<td></td><th scope="col">time <small>{length(seconds)}</small></th>'
        f'<th scope="col">utterances <small>{count}</small></th></tr></thead><tbody>{"".join(lines)}</tbody></table>'
    )
