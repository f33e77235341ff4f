"""The pictures of the report: the curve of each speaker over time, and the bars of shares.

Times are placed in percent of the page, so that the pictures shrink with it while their text does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from merc.conversation import Timeline
from merc.report.summary import NO_LABEL, Axis, Row, Slice, axis, overlapped, shares, slices, ticks
from merc.web.html import Html, Macros, macros
from merc.web.palette import stacking
from merc.web.words import clock, counted, length, listed, number, percent

WIDTH, HEIGHT = 1000, 100
"""Units of the drawing in which a curve is laid out; the page stretches it."""

BRIDGE = 15.0
"""Longest silence, in seconds, across which a faint band leads from one utterance of a speaker to the next."""


def legend(timeline: Timeline) -> Html:
    """The key of all pictures: shape, colour and name of each label, and how doubt and overlap look."""
    return _parts().legend(timeline.labels, NO_LABEL, bool(timeline.overlaps))


def curves(timeline: Timeline, rows: dict[str, list[Row]]) -> Html:
    """The small multiples: one curve a speaker over one shared axis of time."""
    time = axis(timeline)
    lanes = [_lane(timeline, time, name, own) for name, own in rows.items()]
    return _parts().curves(time.seconds, ticks(time.seconds), lanes)


def _lane(timeline: Timeline, time: Axis, name: str, rows: list[Row]) -> Html:
    columns = slices(timeline, rows, time)
    said = sum(u.segment.duration for _, u, _ in rows if u.segment)
    hatches = [
        (_x(time, o.start) / 10, max(0.15, (_x(time, o.end) - _x(time, o.start)) / 10))
        for o in overlapped(timeline, rows)
    ]
    return _parts().lane(
        name,
        f"{counted(len(rows), 'utterance')}, {length(said)}" if rows else "no utterance",
        describe(timeline, rows),
        (WIDTH, HEIGHT),
        _bridges(timeline, time, columns),
        [_column(timeline, time, column) for column in columns],
        hatches,
        _marks(timeline, time, columns),
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


@dataclass(frozen=True, slots=True)
class _Column:
    """One utterance (or average) as it is drawn: hollow where it abstains, blank where nothing was predicted."""

    tip: str
    paths: Sequence[tuple[int, str]] = ()
    """Position of a label, and its path."""
    opacity: str = ""
    hollow: bool = False
    blank: str = ""


def _column(timeline: Timeline, time: Axis, column: Slice) -> _Column:
    """One utterance (or average): its probabilities stacked, its confidence as opacity."""
    left, right = _x(time, column.start), _x(time, column.end)
    right = max(right, left + 0.8)
    box = f"M{number(left)} {{}}H{number(right)}V{{}}H{number(left)}Z"
    tip = _tip(timeline, column)
    if column.probabilities is None:
        return _Column(tip, blank=box.format(1, HEIGHT - 1))
    paths = [
        (place, box.format(number(top), number(bottom)))
        for place, (top, bottom) in _levels(timeline, column).items()
        if bottom - top >= 0.5
    ]
    return _Column(tip, paths, number(0.4 + 0.6 * column.confidence), column.label is None)


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


def _bridges(timeline: Timeline, time: Axis, columns: Sequence[Slice]) -> list[tuple[int, str]] | None:
    """Faint bands from one utterance of a speaker to the next, to lead the eye; nothing was measured there.

    Each is the position of a label with its path; None where columns are averages.
    """
    if time.step is not None:
        return None
    paths: dict[int, list[str]] = {place: [] for place in stacking(timeline.labels)}
    for one, two in pairwise(columns):
        if one.probabilities and two.probabilities and 0 < two.start - one.end <= BRIDGE:
            ends = _levels(timeline, two)
            for place, begin in _levels(timeline, one).items():
                paths[place].append(_bridge((_x(time, one.end), *begin), (_x(time, two.start), *ends[place])))
    return [(place, "".join(d)) for place, d in paths.items() if any(d)]


def _marks(timeline: Timeline, time: Axis, columns: Sequence[Slice]) -> list[tuple[str, bool, int, float]]:
    """The shape of each utterance's label below its column, a link to it; left out where it would not fit.

    Each is a class, whether it is close to the one before, the number of the utterance, and its place in percent.
    """
    place = {label: position for position, label in enumerate(timeline.labels)}
    drawn, last = [], -WIDTH
    for column in columns:
        middle = (_x(time, column.start) + _x(time, column.end)) / 2
        if column.index is None or middle - last < 11:
            continue
        crowded, last = middle - last < 32, round(middle)
        shape = f"l{place[column.label]}" if column.label in place else "none"
        drawn.append((shape, crowded, column.index + 1, middle / 10))
    return drawn


def share_card(timeline: Timeline, name: str, rows: list[Row]) -> Html:
    """The shares of one speaker: a stacked bar by speaking time, one by utterances, and the numbers of both."""
    share = shares(timeline, rows)
    bars = [("time", _bar(timeline, share.seconds)), ("count", _bar(timeline, tuple(map(float, share.counts))))]
    labels = [*enumerate(timeline.labels), (None, f"{NO_LABEL} (abstained)")]
    return _parts().share_card(name, _face(timeline, name), bars, labels, share)


def _face(timeline: Timeline, name: str) -> str:
    """Whether a face was linked to the voice, and if not, why; nothing where the recording has no picture."""
    found = next((speaker for speaker in timeline.speakers if speaker.id == name), None)
    if found is None or not timeline.recording.has_video:
        return ""
    return "Face seen and linked to the voice." if found.face else f"No face: {found.face_reason or 'none was linked'}."


def _bar(timeline: Timeline, amounts: Sequence[float]) -> list[tuple[str, float]]:
    """The parts of a stacked bar, each its class and its share in thousandths."""
    total = sum(amounts) or 1.0
    order = [*stacking(timeline.labels), len(timeline.labels)]
    return [
        (f"l{place}" if place < len(timeline.labels) else "none", 1000 * amounts[place] / total)
        for place in order
        if amounts[place]
    ]


def _parts() -> Macros:
    return macros("merc.report", "charts.html")
