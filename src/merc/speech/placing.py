"""Where utterances and words go whose times nobody knows: between those that are known, by their characters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from merc.conversation import Segment, Utterance, Word
from merc.speech.words import LEAST, settle, spoken, spread

_ROOM = 0.2  # seconds of speech below which nothing is placed there
_HURRIED = 0.4  # share of their usual length that words must have
_TOO_MUCH = 4.0  # times the usual length: with so much speech free, where in it is anybody's guess


@dataclass(slots=True)
class Line:
    """An utterance of the transcript on its way to its times.

    ``raw`` are the given times, ``heard`` where its words (by number) were recognised, ``exact`` how many of its
    tokens were recognised to the letter.
    """

    utterance: Utterance
    texts: list[str]
    raw: tuple[float, float] | None = None
    segment: Segment | None = None
    heard: dict[int, Segment] = field(default_factory=dict)
    exact: int = 0

    def keep(self, given: Sequence[tuple[float, float]]) -> tuple[Word, ...]:
        """The words that the transcript brought, at the given times put in order inside the segment."""
        if self.segment is None:
            return ()
        times = settle(given, self.segment)
        return tuple(replace(w, segment=t) for w, t in zip(self.utterance.words, times, strict=True))


def place_between(
    lines: Sequence[Line], speech: Sequence[Segment], duration: float, note: Callable[[int, str], None]
) -> None:
    """Give every line without a segment one: around its recognised words, else between its neighbours.

    ``note`` hears the number of each line that none of its words helped to place, and where it went.
    """
    known = any(line.heard for line in lines)
    for number, line in enumerate(lines):
        if line.segment is None and line.heard:
            line.segment = _around(line, _free(lines, number, number, duration), speech)
    number = 0
    while number < len(lines):
        last = number
        if lines[number].segment is None:
            while last + 1 < len(lines) and lines[last + 1].segment is None:
                last += 1
            room = _room(_free(lines, number, last, duration), speech)
            _share(list(enumerate(lines[number : last + 1], number)), room, note, most=_TOO_MUCH if known else None)
        number = last + 1


def _free(lines: Sequence[Line], first: int, last: int, duration: float) -> tuple[float, float]:
    """The time between what is known before line ``first`` and after line ``last``."""
    start, end = 0.0, duration
    for number in range(first - 1, -1, -1):
        if extent := _extent(lines[number]):
            start = extent.end
            break
    for number in range(last + 1, len(lines)):
        if extent := _extent(lines[number]):
            end = extent.start
            break
    return start, end


def _extent(line: Line) -> Segment | None:
    if line.segment or not line.heard:
        return line.segment
    return Segment(min(t.start for t in line.heard.values()), max(t.end for t in line.heard.values()))


def _around(line: Line, free: tuple[float, float], speech: Sequence[Segment]) -> Segment:
    """The recognised words' extent, with room for the words before and after them that were not recognised.

    That room ends where the region of speech ends, if so much is left there that the words may have been hurried.
    """
    first, last = min(line.heard), max(line.heard)
    start, end = line.heard[first].start, line.heard[last].end
    before, after = spoken(line.texts[:first]), spoken(line.texts[last + 1 :])
    if before:
        edge = _region(speech, start).start
        earliest = edge if start - edge >= _HURRIED * before else free[0]
        start = min(start, max(free[0], earliest, start - before))
    if after:
        edge = _region(speech, end).end
        latest = edge if edge - end >= _HURRIED * after else free[1]
        end = max(end, min(free[1], latest, end + after))
    return Segment(start, end)


def _region(speech: Sequence[Segment], instant: float) -> Segment:
    """The region of speech that holds an instant; one that begins or ends there where none does."""
    number = bisect_right(speech, instant, key=lambda region: region.start) - 1
    if number >= 0 and speech[number].end >= instant:
        return speech[number]
    return Segment(instant, instant + LEAST)


def _room(free: tuple[float, float], speech: Sequence[Segment]) -> list[Segment]:
    start, end = free
    if end - start < _ROOM:
        return []
    gap = Segment(start, end)
    if not speech:
        return [gap]
    return [Segment(max(start, s.start), min(end, s.end)) for s in speech if s.overlap(gap) > LEAST]


def _share(
    lines: Sequence[tuple[int, Line]],
    room: Sequence[Segment],
    note: Callable[[int, str], None],
    *,
    most: float | None,
) -> None:
    """Share the speech that is free out among successive lines, by their characters."""
    for number, line in lines:
        if not line.texts:
            note(number, "it has neither usable times nor spoken words; left without times")
    lines = [(number, line) for number, line in lines if line.texts]
    texts = [" ".join(line.texts) for _, line in lines]
    seconds = sum(piece.duration for piece in room)
    crowded = seconds < _ROOM * len(lines)
    if not lines:
        return
    if crowded or (most is not None and seconds > most * spoken(texts)):
        why = "there is no speech left between its neighbours" if crowded else "it could be anywhere between them"
        for number, _ in lines:
            note(number, f"none of its words was recognised and {why}; left without times")
        return
    for (number, line), share in zip(lines, spread(texts, Segment(0, seconds)), strict=True):
        start, end = _on_clock(share.start, room), _on_clock(share.end, room, ending=True)
        line.segment = Segment(start, max(end, start + LEAST))
        note(number, f"no usable times and none of its words was recognised; placed at {start:.2f} to {end:.2f} s")


def _on_clock(instant: float, room: Sequence[Segment], *, ending: bool = False) -> float:
    """Turn seconds of free speech into seconds of the recording."""
    for piece in room:
        if instant < piece.duration or (ending and instant <= piece.duration + 1e-9):
            return piece.start + instant
        instant -= piece.duration
    return room[-1].end


def fill(texts: Sequence[str], heard: Mapping[int, Segment], within: Segment) -> list[Segment]:
    """Times for all words of an utterance: those recognised stay, the others share the gaps between them.

    Words before the first or after the last recognised one take no more time than speech usually takes.
    """
    times: dict[int, Segment] = dict(heard)
    number = 0
    while number < len(texts):
        last = number
        if number not in heard:
            while last + 1 < len(texts) and last + 1 not in heard:
                last += 1
            times.update(zip(range(number, last + 1), _gap(texts, heard, within, number, last), strict=True))
        number = last + 1
    return settle([(times[n].start, times[n].end) for n in range(len(texts))], within)


def _gap(texts: Sequence[str], heard: Mapping[int, Segment], within: Segment, first: int, last: int) -> list[Segment]:
    run = texts[first : last + 1]
    start = heard[first - 1].end if first else within.start
    end = heard[last + 1].start if last + 1 < len(texts) else within.end
    if first == 0 and last + 1 < len(texts):
        start = max(start, end - spoken(run))
    elif first and last + 1 == len(texts):
        end = min(end, start + spoken(run))
    end = max(end, start + LEAST)
    return spread(run, Segment(start, end))
