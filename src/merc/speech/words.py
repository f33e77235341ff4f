"""Times of words: put in order, distributed over a span of time, moved onto detected speech."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from merc.conversation import Segment, Word

LEAST = 0.02
"""Seconds below which no word is: one step of the recogniser's clock."""

SECONDS_PER_CHARACTER = 0.07
"""About 14 characters a second, lively conversational speech."""

_SHORTEST = 0.08  # seconds below which no word is spoken
_FOOTHOLD = 0.1  # seconds of a region that a word must reach to count as spoken there


def ordered(times: Sequence[tuple[float, float]], within: Segment) -> list[Segment]:
    """Make word times ordered, disjoint, of positive length and inside ``within``.

    Valid times are unchanged. Where there is no room for 20 ms per word, all get an equal share.
    """
    count = len(times)
    least = min(LEAST, within.duration / max(1, count))
    result = []
    before = within.start
    for number, (start, end) in enumerate(times):
        start = max(before, min(start, within.end - (count - number) * least))
        end = max(start + least * 0.5, min(max(end, start + least), within.end - (count - number - 1) * least))
        result.append(Segment(start, min(end, within.end)))
        before = result[-1].end
    return result


def spread(texts: Sequence[str], within: Segment) -> list[Segment]:
    """Divide a span of time among words by their characters: the best estimate where nothing was recognised."""
    weights = [len(text) + 1 for text in texts]
    total = sum(weights)
    edges = [within.start]
    for weight in weights:
        edges.append(edges[-1] + within.duration * weight / total)
    return ordered(list(pairwise(edges)), within)


def spoken(texts: Sequence[str]) -> float:
    """Seconds that the words would take at the usual rate of speech."""
    return SECONDS_PER_CHARACTER * sum(len(text) + 1 for text in texts)


def lengthened(words: Sequence[Word], speech: Sequence[Segment]) -> list[Word]:
    """Give words that are shorter than anybody speaks the time that is free around them, up to their usual length.

    Recognisers put a word in front of a pause into a single step of their clock. A word grows to its end first, then to
    its start, not beyond its neighbours or the region of speech that it touches. All in order of time.
    """
    result: list[Word] = []
    for number, word in enumerate(words):
        start, end = word.segment.start, word.segment.end
        if end - start < _SHORTEST:
            region = max(speech, key=word.segment.overlap, default=word.segment)
            wanted = spoken([word.text])
            after = words[number + 1].segment.start if number + 1 < len(words) else region.end
            before = result[-1].segment.end if result else region.start
            end = max(end, min(start + wanted, after, region.end))
            start = min(start, max(end - wanted, before, region.start))
        result.append(Word(word.text, Segment(start, end), word.probability))
    return result


def onto_speech(words: Sequence[Word], speech: Sequence[Segment], *, slack: float) -> list[Word]:
    """Cut words to the region of speech in which they were said, and drop those that lie outside all regions.

    Recognisers extend a word over the pause before it, so a word that reaches into several regions belongs to the
    last. One that lies within ``slack`` seconds of a region is kept unchanged. All in order of time.
    """
    kept = []
    first = 0
    for word in words:
        while first < len(speech) and speech[first].end + slack <= word.segment.start:
            first += 1
        reached = []
        for region in speech[first:]:
            if region.start - slack >= word.segment.end:
                break
            reached.append(region)
        if reached:
            kept.append(Word(word.text, _cut(word.segment, reached), word.probability))
    return kept


def _cut(segment: Segment, reached: Sequence[Segment]) -> Segment:
    for region in reversed(reached):
        if segment.overlap(region) >= min(_FOOTHOLD, region.duration):
            return Segment(max(segment.start, region.start), min(segment.end, region.end))
    region = max(reached, key=segment.overlap)
    if segment.overlap(region) >= LEAST:
        return Segment(max(segment.start, region.start), min(segment.end, region.end))
    return segment


def unlooped(words: Sequence[Word], *, most: int = 4, phrase: int = 6) -> list[Word]:
    """Cut a phrase of up to ``phrase`` words that repeats more than ``most`` times in a row down to ``most``."""
    kept: list[Word] = []
    for word in words:
        kept.append(word)
        for length in range(1, phrase + 1):
            tail = [w.text.casefold().strip(".,!?…") for w in kept[-length * (most + 1) :]]
            if len(tail) == length * (most + 1) and tail == tail[:length] * (most + 1):
                del kept[-length:]
                break
    return kept
