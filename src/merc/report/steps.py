"""What a modality says within an utterance, half second by half second: a strip, and the same in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from merc.conversation import Evidence, Prediction, Segment, Step, Timeline, Utterance
from merc.report.summary import MOST_UTTERANCES
from merc.web.html import Html, macros
from merc.web.palette import stacking
from merc.web.words import number

WIDTH, HEIGHT = 1000, 24
"""Units of the drawing of a strip; the page stretches it."""


@dataclass(frozen=True, slots=True)
class _Row:
    """What a modality says, as it is shown: in runs, each a position of a label, its name and its seconds."""

    modality: str
    runs: Sequence[tuple[int | None, str, str]]
    strip: Sequence[tuple[int, str]] | None
    """Position of a label, and its path; None where the words stand alone."""
    size: tuple[int, int] = (WIDTH, HEIGHT)

    @property
    def said(self) -> str:
        """The runs as text."""
        return ", ".join(f"{label} {times}" for _, label, times in self.runs)


def by_time(timeline: Timeline, utterance: Utterance, prediction: Prediction) -> Html:
    """One strip for each modality that has steps; empty without any. In long reports the words stand alone."""
    segment = utterance.segment
    parts = [one for one in prediction.evidence if one.steps]
    if segment is None or not parts:
        return Html()
    drawn = len(timeline) <= MOST_UTTERANCES
    rows = [_row(timeline, segment, one, drawn=drawn) for one in parts]
    return macros("merc.report", "steps.html").steps(rows)


def _row(timeline: Timeline, segment: Segment, evidence: Evidence, *, drawn: bool) -> _Row:
    place = {label: position for position, label in enumerate(timeline.labels)}
    runs = [(place.get(label), label, times) for label, times in _runs(segment, evidence.steps)]
    return _Row(evidence.modality, runs, _strip(timeline, segment, evidence.steps) if drawn else None)


def _runs(segment: Segment, steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    """The most probable label of each run of steps, with its seconds from the start of the utterance."""
    runs = []
    for label, run in groupby(steps, key=_top):
        own = list(run)
        start, end = own[0].segment.start - segment.start, own[-1].segment.end - segment.start
        runs.append((label, f"{max(0.0, start):.1f}–{max(0.0, end):.1f} s"))
    return runs


def _top(step: Step) -> str:
    return min(step.probabilities, key=lambda label: (-step.probabilities[label], label))


def _strip(timeline: Timeline, segment: Segment, steps: tuple[Step, ...]) -> list[tuple[int, str]]:
    """Stacked probabilities of each step over the utterance; where there is no step the strip stays empty."""
    paths: dict[int, list[str]] = {}
    for step in steps:
        left, right = (WIDTH * (t - segment.start) / segment.duration for t in (step.segment.start, step.segment.end))
        bottom = float(HEIGHT)
        for place in stacking(timeline.labels):
            top = bottom - HEIGHT * step.probabilities.get(timeline.labels[place], 0.0)
            if bottom - top >= 0.25:
                box = f"M{left:.0f} {number(top)}H{right:.0f}V{number(bottom)}H{left:.0f}Z"
                paths.setdefault(place, []).append(box)
            bottom = top
    return [(place, "".join(boxes)) for place, boxes in sorted(paths.items())]
