"""Forced alignment of a transcript to the recognised words: when each of its words was said.

All tokens of the transcript are aligned to all recognised ones, so that utterances need no times. Given times are used
where they are plausible: a constant offset of the transcript is estimated and removed, an utterance whose words were
clearly recognised elsewhere is moved, impossible times are repaired or dropped. Each change is a note.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

from merc.conversation import Conversation, Segment, Utterance, Word
from merc.errors import InputError
from merc.formats.source import ESTIMATED, in_order, shown
from merc.speech.matching import match, similarity, spoken_words, tokens
from merc.speech.placing import Line, fill, place_between
from merc.speech.repair import raw_times, separate, valid_segment

__all__ = ["Alignment", "align", "similarity"]

_SHIFT = 0.4  # seconds: a smaller offset is usual in subtitles
_ROUGH_SHIFT = 1.5  # seconds: the same where a transcript gives starts alone, mostly in whole seconds
_STEADY = 0.75  # seconds around the offset in which most utterances must lie
_MISPLACED = 2.0  # seconds by which an utterance's words must be elsewhere for its times to be wrong
_SUPPORT = 0.25  # share of an utterance's words that must be recognised to place it where no times are given
_PAUSE = 5.0  # seconds that may pass between words of one utterance, beyond those of the words between


@dataclass(frozen=True, slots=True)
class Alignment:
    """The transcript's utterances with times and timed words, and what had to be changed.

    Attributes:
        utterances: In order of time as the transcript gives it, or in its own order; one that could not be placed has
            neither segment nor words.
        notes: One for each change, and for each utterance that could not be placed.
        offset: Constant offset in seconds that was removed (0.0: none).
        agreement: Share of the transcript's words that were recognised exactly; None where nothing was recognised.

    Example:
        >>> Alignment((Utterance("u1", text="Hello."),), ("utterance 1 (u1): not found",)).offset
        0.0
    """

    utterances: tuple[Utterance, ...]
    notes: tuple[str, ...] = ()
    offset: float = 0.0
    agreement: float | None = None


@dataclass(slots=True)
class _Notes:
    """Notes about utterances by number, sorted at the end."""

    names: list[str]
    general: list[str] = field(default_factory=list)
    entries: list[tuple[int, str]] = field(default_factory=list)

    def of(self, number: int) -> Callable[[str], None]:
        return lambda what: self.add(number, what)

    def add(self, number: int, what: str) -> None:
        self.entries.append((number, f"{self.names[number]}: {what}"))

    def all(self) -> tuple[str, ...]:
        return (*self.general, *(what for _, what in sorted(self.entries, key=lambda entry: entry[0])))


def align(
    transcript: Conversation, recognised: Sequence[Word], *, duration: float, speech: Sequence[Segment] = ()
) -> Alignment:
    """Give the transcript's utterances and words their times.

    Args:
        transcript: Utterances with text; words that have times keep them.
        recognised: Recognised words in order of time. Without any, words are distributed over their utterances by
            characters.
        duration: Length of the recording in seconds.
        speech: Its regions of speech.

    Returns:
        The same utterances, placed, with notes on each change.

    Raises:
        InputError: the duration is not positive.

    Example:
        >>> heard = [Word("hello", Segment(1.0, 1.5)), Word("there", Segment(1.5, 2.0))]
        >>> align(Conversation("c", (Utterance("u1", text="Hello there."),)), heard, duration=3.0).utterances[0].segment
        Segment(start=1.0, end=2.0)
    """
    if not duration > 0:
        raise InputError(f"duration {duration}: expected the length of the recording in seconds, more than 0")
    lines, agreement = _in_best_order(transcript, recognised)
    notes = _Notes([f"utterance {n} ({shown(line.utterance.id)})" for n, line in enumerate(lines, 1)])
    offset = _offset(lines)
    _give_back(lines, offset)
    notes.general += _general_notes(sum(len(line.texts) for line in lines), agreement, offset)
    for number, line in enumerate(lines):
        _decide(line, offset, duration, notes.of(number))
    place_between(lines, speech, duration, notes.add)
    segments = separate([line.utterance for line in lines], [line.segment for line in lines], notes.add)
    for line, segment in zip(lines, segments, strict=True):
        line.segment = segment
    return Alignment(tuple(_finished(line, offset) for line in lines), notes.all(), offset, agreement)


def _in_best_order(transcript: Conversation, recognised: Sequence[Word]) -> tuple[list[Line], float | None]:
    """The lines in order of time, or as the transcript or its file has them where more of their words match so.

    A file that is not in order may have been written so, or one of its times may be wrong: only the words tell.

    Returns:
        The lines with their recognised words, and the share of tokens that match; None without recognised words.
    """
    tried = [_lines(order) for order in _orders(transcript)]
    if not recognised:
        return tried[0], None
    shares = [_matched(lines, recognised) for lines in tried]
    best = shares.index(max(shares))
    return tried[best], shares[best]


def _orders(transcript: Conversation) -> list[list[Utterance]]:
    """Different orders of the utterances: by time, as given, and as in the file."""
    given = list(transcript.utterances)
    orders = [in_order(given, [one.segment.start if one.segment else None for one in given]), given]
    places = transcript.meta.get("order")
    if isinstance(places, tuple) and len(places) == len(given):
        orders.append([given[place] for place in sorted(range(len(given)), key=places.__getitem__)])
    return list({tuple(map(id, order)): order for order in orders}.values())


def _lines(utterances: Sequence[Utterance]) -> list[Line]:
    return [Line(u, spoken_words(u.text or " ".join(w.text for w in u.words)), raw_times(u)) for u in utterances]


def _general_notes(words: int, agreement: float | None, offset: float) -> Iterator[str]:
    """What is to be said of the transcript as a whole."""
    if agreement is not None and agreement < 0.3 and words >= 20:
        yield (
            f"only {agreement:.0%} of the transcript's words were recognised in the recording; check that they belong "
            "together"
        )
    if offset:
        early = "early" if offset > 0 else "late"
        yield f"the transcript's times are {abs(offset):.2f} s {early} throughout; all were moved"


def _matched(lines: Sequence[Line], recognised: Sequence[Word]) -> float:
    """Note in each line where its words were recognised; returns the share of tokens that match exactly."""
    written = [(line, number, t) for line in lines for number, w in enumerate(line.texts) for t in tokens(w)]
    spoken = list(chain.from_iterable(map(_timed_tokens, recognised)))
    pairs = match([token for _, _, token in written], [token for token, _ in spoken])
    for pair in pairs:
        line, number, _ = written[pair.transcript]
        time = spoken[pair.recognised][1]
        known = line.recognised.get(number)
        line.recognised[number] = Segment(known.start, max(known.end, time.end)) if known else time
        line.exact += pair.exact
    return sum(pair.exact for pair in pairs) / max(1, len(written))


def _timed_tokens(word: Word) -> list[tuple[str, Segment]]:
    """The tokens of a recognised word; each has an equal part of its time."""
    found = tokens(word.text)
    step = word.segment.duration / max(1, len(found))
    edges = [word.segment.start + step * n for n in range(len(found))] + [word.segment.end]
    return [(token, Segment(start, end)) for token, (start, end) in zip(found, pairwise(edges), strict=True)]


def _offset(lines: Sequence[Line]) -> float:
    """The offset in seconds to add to all given times; 0.0 unless most utterances agree on one that matters."""
    late = [d for line in lines if (d := _lateness(line)) is not None]
    if len(late) < 3:
        return 0.0
    middle = statistics.median(late)
    steady = sum(abs(d - middle) <= _STEADY for d in late)
    least = _ROUGH_SHIFT if all(map(_rough, lines)) else _SHIFT
    return round(middle, 2) if abs(middle) >= least and steady >= 0.6 * len(late) else 0.0


def _give_back(lines: Sequence[Line], offset: float) -> None:
    """Recognised words that lie in the given times of another line are not a reason to move theirs there.

    Where a sentence is said several times, they belong to the line in whose given times they lie. Where sentences are
    merely alike, they are dropped, unless that line is one whose own words were recognised elsewhere.
    """
    alike: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        alike.setdefault(tuple(line.texts), []).append(line)

    def strays() -> list[Line]:
        return [one for one in lines if one.raw is not None and one.recognised and not _holds(one, one, offset)]

    changed = True
    while changed:  # one line may take the place of the next, and that of its next
        changed = any(_hand_over(one, alike[tuple(one.texts)], offset) for one in strays())
        changed = changed or any(_drop(one, lines, offset) for one in strays())


def _hand_over(line: Line, alike: Sequence[Line], offset: float) -> bool:
    """Give the recognised words of a line to one with the same text that has none and in whose times they lie."""
    empty = (one for one in alike if one.raw is not None and not one.recognised)
    owner = next((one for one in empty if _holds(one, line, offset)), None)
    if owner is None:
        return False
    owner.recognised, owner.exact = line.recognised, line.exact
    line.recognised, line.exact = {}, 0
    return True


def _drop(line: Line, lines: Sequence[Line], offset: float) -> bool:
    """Take the recognised words from a line if they lie in the times of another, which nothing says are wrong."""
    if not any(one is not line and _holds(one, line, offset) and _in_place(one, offset) for one in lines):
        return False
    line.recognised, line.exact = {}, 0
    return True


def _holds(one: Line, other: Line, offset: float) -> bool:
    """Whether the middle of another line's recognised words lies in the given times of a line."""
    start, end = one.raw or (-1.0, -1.0)
    middle = statistics.median(time.middle for time in other.recognised.values())
    return start + offset <= middle <= end + offset


def _in_place(line: Line, offset: float) -> bool:
    """Whether nothing says that the given times of a line are wrong."""
    return not line.recognised or _holds(line, line, offset)


def _rough(line: Line) -> bool:
    """Whether the transcript gives at most the start of a line."""
    return line.raw is None or line.utterance.meta.get("end") == ESTIMATED


def _lateness(line: Line) -> float | None:
    """By how many seconds a line's words were recognised after where its given times put them."""
    if line.raw is None or len(line.recognised) < 2 or line.exact < 2:
        return None
    start, end = line.raw
    if not end > start:
        return None
    total = sum(len(text) + 1 for text in line.texts)
    before = 0
    late = []
    for number, text in enumerate(line.texts):
        if number in line.recognised:
            late.append(line.recognised[number].start - (start + (end - start) * before / total))
        before += len(text) + 1
    return statistics.median(late)


def _decide(line: Line, offset: float, duration: float, note: Callable[[str], None]) -> None:
    """Decide a line's segment from its given times and its recognised words, and which of those to use."""
    if line.raw is not None:
        line.raw = _moved(line, line.raw, offset, duration)
        line.segment = valid_segment(line.raw, duration, note)
    line.recognised = _cluster(line)
    supported = len(line.recognised) >= _SUPPORT * len(line.texts)
    if line.segment is None:
        line.recognised = line.recognised if supported else {}
    elif _rough(line) and line.recognised and supported:
        line.segment = None  # its words say better than its start when it was said
    else:
        _keep_or_move(line, line.segment, note)


def _moved(line: Line, times: tuple[float, float], offset: float, duration: float) -> tuple[float, float]:
    """Given times with the offset; an end that was estimated is cut at the end of the recording without a note."""
    start, end = times[0] + offset, times[1] + offset
    return start, min(end, duration) if start < duration and _rough(line) else end


def _keep_or_move(line: Line, segment: Segment, note: Callable[[str], None]) -> None:
    """Keep the words near a given segment, or drop a segment that the words contradict."""
    late = _lateness(line) or 0.0
    if abs(late) > _MISPLACED and _clearly_recognised(line):
        note(
            f"given times {segment.start:.2f} to {segment.end:.2f} s, but its words were recognised "
            f"{abs(late):.1f} s {'later' if late > 0 else 'earlier'}; moved there"
        )
        line.segment = None
        return
    line.recognised = {
        n: t for n, t in line.recognised.items() if segment.start - _MISPLACED < t.middle < segment.end + _MISPLACED
    }


def _clearly_recognised(line: Line) -> bool:
    return line.exact >= 3 and len(line.recognised) >= 0.6 * len(line.texts)


def _cluster(line: Line) -> dict[int, Segment]:
    """The largest group of a line's recognised words with no long pause inside: stray words elsewhere are chance."""
    groups: list[dict[int, Segment]] = []
    last = -1
    for number, time in sorted(line.recognised.items()):
        gap = time.start - groups[-1][last].end if groups else 0.0
        if not groups or gap > _PAUSE + 0.5 * (number - last - 1):
            groups.append({})
        groups[-1][number] = time
        last = number
    return max(groups, key=len) if groups else {}


def _finished(line: Line, offset: float) -> Utterance:
    if line.segment is None:
        return replace(line.utterance, segment=None, words=())
    if line.utterance.words:
        given = [(w.segment.start + offset, w.segment.end + offset) for w in line.utterance.words]
        return replace(line.utterance, segment=line.segment, words=line.keep(given))
    times = fill(line.texts, line.recognised, line.segment)
    words = tuple(Word(text, time) for text, time in zip(line.texts, times, strict=True))
    return replace(line.utterance, segment=line.segment, words=words)
