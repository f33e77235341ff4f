"""Words and voices become utterances: each ends at a change of voice, a sentence end or a pause."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Protocol

from merc.conversation import Segment, Utterance, Word
from merc.options import above, at_least

_SENTENCE_END = re.compile(r"[.?!…。？！]['\"”’)\]]*$")
_BREATH = 0.3  # seconds between words within which one and the same sentence runs on
_ABBREVIATION = re.compile(r"^(mr|mrs|ms|dr|prof|st|vs|etc|[a-z])\.$", re.IGNORECASE)


class Turn(Protocol):
    """A stretch in which one voice speaks; voices are numbered from 0."""

    @property
    def speaker(self) -> int:
        """The number of the voice."""

    @property
    def segment(self) -> Segment:
        """When it speaks."""


@dataclass(frozen=True, slots=True)
class TurnOptions:
    """How words are cut into utterances; all in seconds.

    Raises:
        InputError: an option is 0 or less.
    """

    pause: float = 0.7
    """A silence at least this long ends an utterance, also in the middle of a sentence."""
    shortest: float = 1.0
    """A sentence shorter than this stays with the next one of the same voice, unless a pause lies between."""
    longest: float = 20.0
    """A sentence that runs on for longer is cut at its widest gap between words."""
    reach: float = 1.0
    """A word outside all turns belongs to the nearest voice within this, else to the voice of the word before it."""
    edge: float = 0.2
    """Another voice at the beginning or the end of a sentence counts from this length on."""
    inside: float = 0.4
    """Another voice in the middle of a sentence counts from this length on."""
    wordless: float = 0.5
    """A region of detected speech without any word becomes an utterance without text when it is this long."""
    beside: float = 0.8
    """The same for what is left of a region beside its words, whose times waver by some tenths."""

    def __post_init__(self) -> None:
        at_least(0, scope="turns", hint=" seconds", edge=self.edge, inside=self.inside)
        for name in ("pause", "shortest", "longest", "reach", "wordless", "beside"):
            above(0, scope="turns", hint=" seconds", **{name: getattr(self, name)})


def utterances(
    words: Sequence[Word],
    turns: Sequence[Turn],
    *,
    speech: Sequence[Segment] = (),
    options: TurnOptions | None = None,
) -> tuple[list[Utterance], list[int | None]]:
    """Cut recognised words into utterances.

    Args:
        words: In order of time.
        turns: Who speaks when.
        speech: Regions of detected speech.
        options: See `TurnOptions`.

    Returns:
        The utterances in order of time, and the number of the voice of each (None where no turn is near). Detected
        speech without words that is long enough is an utterance whose text is None.
    """
    options = options or TurnOptions()
    voices = _smooth(words, _voices(words, turns, options.reach), options)
    groups = [part for group in _groups(words, voices, options) for part in _cut(words, group, options.longest)]
    spoken = [(_bounds([words[i] for i in group]), voices[group[0]], [words[i] for i in group]) for group in groups]
    wordless = _wordless([segment for segment, _, _ in spoken], turns, speech, options)
    ordered = sorted(spoken + wordless, key=lambda item: (item[0].start, item[0].end))
    made = [_utterance(number, segment, inside) for number, (segment, _, inside) in enumerate(ordered, start=1)]
    return made, [voice for _, voice, _ in ordered]


def unplaced(found: Sequence[Utterance], speech: Sequence[Segment], *, least: float = 0.5) -> list[str]:
    """A note on the stretches of detected speech of ``least`` seconds or more that are in no utterance.

    Shorter ones are what the detector hears around words: breath, and the ends of sounds.
    """
    left = [part for part in _outside([u.segment for u in found if u.segment], speech) if part.duration >= least]
    if not left:
        return []
    seconds = sum(part.duration for part in left)
    count = f"{len(left)} stretches" if len(left) > 1 else "a stretch"
    return [f"{seconds:.1f} s of detected speech are in no utterance: {count} without words"]


def _wordless(
    spoken: Sequence[Segment], turns: Sequence[Turn], speech: Sequence[Segment], options: TurnOptions
) -> list[tuple[Segment, int | None, list[Word]]]:
    """Segment, voice and no words of the detected speech in which nothing was recognised, for each of its voices."""
    found: list[tuple[Segment, int | None, list[Word]]] = []
    regions = set(speech)
    for part in _outside(spoken, speech):
        if part.duration < (options.wordless if part in regions else options.beside):
            continue
        voiced = [
            (Segment(max(part.start, turn.segment.start), min(part.end, turn.segment.end)), turn.speaker)
            for turn in turns
            if turn.segment.overlap(part) >= options.wordless
        ]
        found += [(piece, voice, []) for piece, voice in voiced] or [
            (part, nearest_voice(part, turns, reach=options.reach), [])
        ]
    return found


def _outside(covered: Sequence[Segment], parts: Sequence[Segment]) -> list[Segment]:
    """What is left of some parts outside the covered segments, in order of time; linear in both."""
    left = []
    ordered = sorted(covered)
    first, reached = 0, 0.0
    for part in sorted(parts):
        start = max(part.start, reached)
        while first < len(ordered) and ordered[first].start < part.end:
            if ordered[first].start > start:
                left.append(Segment(start, ordered[first].start))
            reached = max(reached, ordered[first].end)
            start = max(start, reached)
            first += 1
        if start < part.end:
            left.append(Segment(start, part.end))
        reached = max(reached, part.end)
    return left


def nearest_voice(segment: Segment, turns: Sequence[Turn], *, reach: float) -> int | None:
    """The voice that fills most of a segment; where none does, the nearest one within ``reach`` seconds, else None."""
    shares: dict[int, float] = {}
    for turn in turns:
        shares[turn.speaker] = shares.get(turn.speaker, 0.0) + segment.overlap(turn.segment)
    best = max(shares, key=lambda voice: (shares[voice], -voice), default=None)
    if best is not None and shares[best] > 0:
        return best
    gaps = [(_gap(segment, turn.segment), turn.speaker) for turn in turns]
    gap, voice = min(gaps, default=(reach + 1, -1))
    return voice if gap <= reach else None


def _voices(words: Sequence[Word], turns: Sequence[Turn], reach: float) -> list[int | None]:
    """The voice of each word; turns are scanned in a moving window, so the cost is linear in the recording."""
    ordered = sorted(turns, key=lambda turn: turn.segment.start)
    longest = max((turn.segment.duration for turn in ordered), default=0.0)
    voices: list[int | None] = []
    first = 0
    for word in words:
        while first < len(ordered) and ordered[first].segment.start < word.segment.start - longest - reach:
            first += 1
        last = first
        while last < len(ordered) and ordered[last].segment.start <= word.segment.end + reach:
            last += 1
        voice = nearest_voice(word.segment, ordered[first:last], reach=reach)
        voices.append(voice if voice is not None or not voices else voices[-1])
    return voices


def _smooth(words: Sequence[Word], voices: list[int | None], options: TurnOptions) -> list[int | None]:
    """Remove changes of voice inside a sentence that are too short to be believed.

    Words that follow each other closely without a sentence end belong together: a short run of another voice among
    them goes to the voice of most of them. At the ends of a sentence less is needed than inside it, because a short
    answer and the sentence after it may be written as one.
    """
    smooth = list(voices)
    for sentence in _sentences(words):
        seconds: dict[int | None, float] = {}
        for i in sentence:
            seconds[voices[i]] = seconds.get(voices[i], 0.0) + words[i].segment.duration
        main = max(seconds, key=lambda voice: seconds[voice])
        for _, run in groupby(sentence, key=lambda i: voices[i]):
            part = list(run)
            ends = part[0] == sentence[0] or part[-1] == sentence[-1]
            if words[part[-1]].segment.end - words[part[0]].segment.start < (options.edge if ends else options.inside):
                smooth[part[0] : part[-1] + 1] = [main] * len(part)
    return smooth


def _sentences(words: Sequence[Word]) -> list[list[int]]:
    """Runs of word numbers without a sentence end or a gap of ``_BREATH`` seconds inside."""
    runs: list[list[int]] = []
    for i, word in enumerate(words):
        if not runs or _ends_sentence(words[i - 1]) or _gap(words[i - 1].segment, word.segment) >= _BREATH:
            runs.append([])
        runs[-1].append(i)
    return runs


def _groups(words: Sequence[Word], voices: Sequence[int | None], options: TurnOptions) -> list[list[int]]:
    """Runs of word numbers between the places where an utterance ends."""
    groups: list[list[int]] = []
    for i in range(len(words)):
        if not groups or _breaks(words, voices, (groups[-1][0], i), options):
            groups.append([])
        groups[-1].append(i)
    return groups


def _breaks(words: Sequence[Word], voices: Sequence[int | None], span: tuple[int, int], options: TurnOptions) -> bool:
    """Whether an utterance that began with the first word of the span ends before the last one."""
    first, here = span
    gap = words[here].segment.start - words[here - 1].segment.end
    if voices[here] != voices[here - 1] or gap >= options.pause:
        return True
    length = words[here - 1].segment.end - words[first].segment.start
    return _ends_sentence(words[here - 1]) and length >= options.shortest


def _cut(words: Sequence[Word], group: list[int], longest: float) -> list[list[int]]:
    """Halve a run of words at its widest gap until no part is longer than allowed (one word is never cut)."""
    if len(group) < 2 or words[group[-1]].segment.end - words[group[0]].segment.start <= longest:
        return [group]
    gaps = [words[b].segment.start - words[a].segment.end for a, b in pairwise(group)]
    widest = 1 + max(range(len(gaps)), key=lambda i: (gaps[i], -abs(2 * i - len(gaps))))
    return _cut(words, group[:widest], longest) + _cut(words, group[widest:], longest)


def _ends_sentence(word: Word) -> bool:
    text = word.text.strip()
    return bool(_SENTENCE_END.search(text)) and not _ABBREVIATION.match(text)


def _gap(one: Segment, other: Segment) -> float:
    """Seconds between two segments; 0 when they touch or overlap."""
    return max(0.0, max(one.start, other.start) - min(one.end, other.end))


def _bounds(words: Sequence[Word]) -> Segment:
    return Segment(words[0].segment.start, max(word.segment.end for word in words))


def _utterance(number: int, segment: Segment, words: Sequence[Word]) -> Utterance:
    text = " ".join(word.text.strip() for word in words) or None
    return Utterance(id=f"u{number:04d}", text=text, segment=segment, words=tuple(words))
