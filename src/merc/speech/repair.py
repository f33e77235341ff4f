"""Times that a transcript gives: impossible ones are repaired or dropped, each with a note."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from merc.conversation import Segment, Utterance

Times = tuple[float, float]

_ROUNDING = 0.5  # seconds past the end that are a matter of rounding and need no note
_TOUCH = 0.05  # seconds of overlap that need no note: one video frame
_INSTANT = 1e-6  # seconds below which nothing is said: files give milliseconds
_TURN = 60.0  # most seconds of a turn whose reversed times are swapped


def raw_times(utterance: Utterance) -> Times | None:
    """Start and end in seconds that a transcript gives, valid or not; None where it gives none.

    A reader of times that make no Segment (negative, reversed) leaves ``segment`` None and puts the numbers
    into ``meta["times"]``, either of them None where it was not given.
    """
    if utterance.segment:
        return utterance.segment.start, utterance.segment.end
    start, end = utterance.meta.get("times", (None, None))
    if isinstance(start, (int, float)) and isinstance(end, (int, float)):
        return float(start), float(end)
    if utterance.words:
        return utterance.words[0].segment.start, utterance.words[-1].segment.end
    return None


def valid_segment(times: Times, duration: float, note: Callable[[str], None]) -> Segment | None:
    """Make times a segment inside the recording, or None; ``note`` is called with what was wrong and what was done."""
    start, end = times
    given = f"given times {_seconds(start)} to {_seconds(end)} s"
    if not (math.isfinite(start) and math.isfinite(end)):
        note(f"{given} are not finite; they were dropped")
        return None
    if end < start:
        if start - end > _TURN:
            note(f"{given} are reversed; they were dropped")
            return None
        note(f"{given} are reversed; they were swapped")
        start, end = end, start
    if end - start < _INSTANT:
        note(f"{given} span no time; they were dropped")
        return None
    return _inside(start, end, duration, lambda what: note(f"{given} {what}"))


def _inside(start: float, end: float, duration: float, note: Callable[[str], None]) -> Segment | None:
    if end <= 0:
        note("lie before the recording; they were dropped")
        return None
    if start >= duration:
        note(f"lie past its end, {_seconds(duration)} s; they were dropped")
        return None
    if start < 0:
        note("begin before the recording; the start was set to 0")
    if end > duration + _ROUNDING:
        note(f"end past its end, {_seconds(duration)} s; they were cut there")
    return Segment(max(0.0, start), min(end, duration))


def separate(
    utterances: Sequence[Utterance], segments: Sequence[Segment | None], note: Callable[[int, str], None]
) -> list[Segment | None]:
    """Separate overlapping neighbours of one speaker (or of unknown speakers); different speakers may overlap.

    ``note`` is called with the utterance's index and what was done.
    """
    result = list(segments)
    last: dict[str | None, int] = {}
    for number, utterance in enumerate(utterances):
        now = result[number]
        if now is None:
            continue
        before = last.get(utterance.speaker)
        if before is not None:
            _separated(result, before, number, note)
        if result[number] is not None:
            last[utterance.speaker] = number
    return result


def _separated(result: list[Segment | None], before: int, number: int, note: Callable[[int, str], None]) -> None:
    first, second = result[before], result[number]
    if first is None or second is None or not first.overlap(second):
        return
    amount = first.overlap(second)
    if first.start < second.start:
        result[before] = Segment(first.start, second.start)
        if amount > _TOUCH:
            note(
                before,
                f"ended at {_seconds(first.end)} s, after the same speaker's next; cut to {_seconds(second.start)} s",
            )
    elif second.end > first.end:
        result[number] = Segment(first.end, second.end)
        if amount > _TOUCH:
            note(
                number,
                f"began at {_seconds(second.start)} s, before the same speaker's last ended; "
                f"moved to {_seconds(first.end)} s",
            )
    else:
        result[number] = None
        note(
            number,
            f"times {_seconds(second.start)} to {_seconds(second.end)} s lie inside the same speaker's last; dropped",
        )


def _seconds(seconds: float) -> str:
    return f"{seconds:.2f}".rstrip("0").rstrip(".")
