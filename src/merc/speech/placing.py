"""Times of utterances and words that were not recognised: interpolated between those that were, by characters."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from merc.conversation import Segment, Utterance, Word
from merc.speech.words import LEAST, ordered, spoken, spread

_ROOM = 0.2  # seconds of speech below which nothing is placed there
_HURRIED = 0.4  # minimum share of their usual length that words have
_TOO_MUCH = 4.0  # times the usual length: with so much free speech, the place in it is arbitrary


@dataclass(slots=True)
class Line:
    """An utterance of the transcript while it is aligned.

    Attributes:
        utterance: As the transcript has it.
        texts: Its words.
        raw: Start and end that the transcript gives.
        segment: Start and end in the recording, once they are decided.
        recognised: Where its words, by number, were recognised.
        exact: How many of its tokens were recognised exactly.
    """

    utterance: Utterance
    texts: list[str]
    raw: tuple[float, float] | None = None
    segment: Segment | None = None
    recognised: dict[int, Segment] = field(default_factory=dict)
    exact: int = 0

    def keep(self, given: Sequence[tuple[float, float]]) -> tuple[Word, ...]:
        """The words of the transcript at given times, in order inside the segment."""
        if self.segment is None:
            return ()
        times = ordered(given, self.segment)
        return tuple(replace(w, segment=t) for w, t in zip(self.utterance.words, times, strict=True))


def place_between(
    lines: Sequence[Line], speech: Sequence[Segment], duration: float, note: Callable[[int, str], None]
) -> None:
    """Give every line without a segment one: around its recognised words, else between its neighbours.

    ``note`` is called with the number of each line of which no word was recognised, and where it was placed.
    """
    known = any(line.recognised for line in lines)
    for number, line in enumerate(lines):
        if line.segment is None and line.recognised:
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
    if line.segment or not line.recognised:
        return line.segment
    return Segment(min(t.start for t in line.recognised.values()), max(t.end for t in line.recognised.values()))


def _around(line: Line, free: tuple[float, float], speech: Sequence[Segment]) -> Segment:
    """The recognised words' extent, with room for the words before and after them that were not recognised.

    That room ends where the region of speech ends, if so much is left there that the words may have been hurried.
    """
    first, last = min(line.recognised), max(line.recognised)
    start, end = line.recognised[first].start, line.recognised[last].end
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
    if not lines:
        return
    texts = [" ".join(line.texts) for _, line in lines]
    seconds = sum(piece.duration for piece in room)
    if why := _why_unplaced(texts, seconds, most):
        for number, _ in lines:
            note(number, f"none of its words was recognised and {why}; left without times")
        return
    for (number, line), share in zip(lines, spread(texts, Segment(0, seconds)), strict=True):
        start, end = _on_clock(share.start, room), _on_clock(share.end, room, ending=True)
        line.segment = Segment(start, max(end, start + LEAST))
        note(number, f"no usable times and none of its words was recognised; placed at {start:.2f} to {end:.2f} s")


def _why_unplaced(texts: Sequence[str], seconds: float, most: float | None) -> str | None:
    if seconds < _ROOM * len(texts):
        return "there is no speech left between its neighbours"
    if most is not None and seconds > most * spoken(texts):
        return "it could be anywhere between them"
    return None


def _on_clock(instant: float, room: Sequence[Segment], *, ending: bool = False) -> float:
    """Turn seconds of free speech into seconds of the recording."""
    for piece in room:
        if instant < piece.duration or (ending and instant <= piece.duration + 1e-9):
            return piece.start + instant
        instant -= piece.duration
    return room[-1].end


def fill(texts: Sequence[str], recognised: Mapping[int, Segment], within: Segment) -> list[Segment]:
    """Times for all words of an utterance: recognised ones keep theirs, the others divide the gaps between them.

    Words before the first or after the last recognised one take no more time than speech usually takes.
    """
    times: dict[int, Segment] = dict(recognised)
    number = 0
    while number < len(texts):
        last = number
        if number not in recognised:
            while last + 1 < len(texts) and last + 1 not in recognised:
                last += 1
            times.update(zip(range(number, last + 1), _gap(texts, recognised, within, number, last), strict=True))
        number = last + 1
    return ordered([(times[n].start, times[n].end) for n in range(len(texts))], within)


def _gap(
    texts: Sequence[str], recognised: Mapping[int, Segment], within: Segment, first: int, last: int
) -> list[Segment]:
    run = texts[first : last + 1]
    start = recognised[first - 1].end if first else within.start
    end = recognised[last + 1].start if last + 1 < len(texts) else within.end
    if first == 0 and last + 1 < len(texts):
        start = max(start, end - spoken(run))
    elif first and last + 1 == len(texts):
        end = min(end, start + spoken(run))
    end = max(end, start + LEAST)
    return spread(run, Segment(start, end))
