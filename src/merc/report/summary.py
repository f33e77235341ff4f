"""What the report draws: a timeline cut into the slices of each speaker, and the share of each label."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from merc.conversation import Prediction, Segment, Timeline, Utterance

UNKNOWN_SPEAKER = "unknown speaker"
NO_LABEL = "no label"

STEPS = (1, 2, 5, 10, 15, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""Seconds that people read easily, for ticks and columns."""

MOST_SECONDS = 900.0
"""Longest recording whose utterances are drawn one by one; beyond it a 3 s utterance is under 4 of 1,000 pixels."""

MOST_UTTERANCES = 300
"""Most utterances drawn one by one; beyond it they are averaged, which also bounds the size of the page."""


@dataclass(frozen=True, slots=True)
class Slice:
    """A column of the curve: one utterance, or the average of a speaker's speech within one step of time.

    ``probabilities`` follow the timeline's labels; None when there was no evidence. ``index`` is the position of the
    utterance, None for an average.
    """

    start: float
    end: float
    probabilities: tuple[float, ...] | None
    label: str | None
    confidence: float
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Shares:
    """Of one speaker: seconds and utterances by label, in the order of the timeline's labels, then without label."""

    seconds: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Axis:
    """The time that the pictures cover, in seconds, and the seconds of one averaged column, None without averaging."""

    seconds: float
    step: float | None


Row = tuple[int, Utterance, Prediction]


def name_of(utterance: Utterance) -> str:
    """The speaker of an utterance as the report names it."""
    return utterance.speaker if utterance.speaker is not None else UNKNOWN_SPEAKER


def speakers(timeline: Timeline) -> tuple[str, ...]:
    """The names of all speakers: those that the timeline lists, then others in order of their first utterance."""
    names = [speaker.id for speaker in timeline.speakers] + [name_of(utterance) for utterance in timeline.utterances]
    return tuple(dict.fromkeys(names))


def by_speaker(timeline: Timeline) -> dict[str, list[Row]]:
    """The utterances of each speaker with their positions and predictions, in order of time."""
    rows: dict[str, list[Row]] = {name: [] for name in speakers(timeline)}
    for index, (utterance, prediction) in enumerate(timeline):
        rows[name_of(utterance)].append((index, utterance, prediction))
    return rows


def axis(timeline: Timeline) -> Axis:
    """The time axis of a timeline: the recording, or more where an utterance ends later; never of no length."""
    ends = [utterance.segment.end for utterance in timeline.utterances if utterance.segment]
    seconds = max([timeline.recording.duration, *ends]) or 1.0
    if seconds <= MOST_SECONDS and len(timeline) <= MOST_UTTERANCES:
        return Axis(seconds, None)
    return Axis(seconds, next((float(s) for s in STEPS if seconds / s <= 180), seconds / 180))


def slices(timeline: Timeline, rows: list[Row], axis: Axis) -> list[Slice]:
    """The columns of one speaker's curve, in order of time; utterances without a time have none."""
    timed = [(index, u, p, u.segment) for index, u, p in rows if u.segment]
    if (width := axis.step) is None:
        return [
            Slice(s.start, s.end, _vector(timeline, p), p.label, p.confidence, index)
            for index, _, p, s in sorted(timed, key=lambda row: (row[3], row[0]))
        ]
    columns: dict[int, list[tuple[float, Prediction]]] = {}
    for _, _, prediction, segment in timed:
        for column, seconds in _columns(segment, width):
            columns.setdefault(column, []).append((seconds, prediction))
    spans = {column: (column * width, min(axis.seconds, (column + 1) * width)) for column in sorted(columns)}
    return [_average(timeline, *spans[column], columns[column]) for column in spans]


def overlapped(timeline: Timeline, rows: list[Row]) -> list[Segment]:
    """The stretches in which several voices speak at once and this speaker is one of them."""
    overlaps = sorted(timeline.overlaps)
    ends = list(accumulate((overlap.end for overlap in overlaps), max))
    found = set()
    for _, utterance, _ in rows:
        if not utterance.segment:
            continue
        for overlap in overlaps[bisect_left(ends, utterance.segment.start) :]:
            if overlap.start >= utterance.segment.end:
                break
            if utterance.segment.overlap(overlap) > 0:
                start, end = max(overlap.start, utterance.segment.start), min(overlap.end, utterance.segment.end)
                found.add(Segment(start, end))
    return sorted(found)


def shares(timeline: Timeline, rows: list[Row]) -> Shares:
    """Seconds and number of utterances by label; an utterance without a time counts, but adds no seconds."""
    place = {label: position for position, label in enumerate(timeline.labels)}
    seconds, counts = [0.0] * (len(place) + 1), [0] * (len(place) + 1)
    for _, utterance, prediction in rows:
        position = len(place) if prediction.label is None else place.get(prediction.label, len(place))
        counts[position] += 1
        seconds[position] += utterance.segment.duration if utterance.segment else 0.0
    return Shares(tuple(seconds), tuple(counts))


def ticks(seconds: float) -> list[float]:
    """At most nine readable ticks of a time axis, from 0."""
    width = next((s for s in STEPS if seconds / s <= 8), seconds / 8)
    return [width * position for position in range(int(seconds / width) + 1)]


def _vector(timeline: Timeline, prediction: Prediction) -> tuple[float, ...] | None:
    if not prediction.probabilities:
        return None
    values = [max(0.0, prediction.probabilities.get(label, 0.0)) for label in timeline.labels]
    return tuple(value / (sum(values) or 1.0) for value in values)


def _columns(segment: Segment, width: float) -> Iterator[tuple[int, float]]:
    column = int(segment.start / width)
    while column * width < segment.end:
        seconds = min(segment.end, (column + 1) * width) - max(segment.start, column * width)
        if seconds > 0:
            yield column, seconds
        column += 1


def _average(timeline: Timeline, start: float, end: float, parts: list[tuple[float, Prediction]]) -> Slice:
    """The average of one column, weighted by seconds; without a label where most of it abstains."""
    known = [(seconds, vector, p) for seconds, p in parts if (vector := _vector(timeline, p))]
    if not known:
        return Slice(start, end, None, None, 0.0)
    weights = [seconds for seconds, _, _ in known]
    mean = tuple(_weighted(column, weights) for column in zip(*(vector for _, vector, _ in known), strict=True))
    confidence = _weighted([p.confidence for _, _, p in known], weights)
    abstained = sum(seconds for seconds, p in parts if p.label is None)
    label = timeline.labels[mean.index(max(mean))]
    return Slice(start, end, mean, label if abstained * 2 <= sum(s for s, _ in parts) else None, confidence)


def _weighted(values: Sequence[float], weights: Sequence[float]) -> float:
    return sum(weight * value for weight, value in zip(weights, values, strict=True)) / sum(weights)
