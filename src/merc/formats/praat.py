"""Praat TextGrids (``.TextGrid``): for every speaker one tier of texts, one of predicted labels, one of words."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, Timeline, Word
from merc.errors import FormatError
from merc.formats import clock, source
from merc.formats.source import Item
from merc.formats.tags import UNKNOWN, tag, untag
from merc.formats.tiers import Lane, Placed, lanes

_TOKEN = re.compile(
    r'"([^"]*+(?:""[^"]*+)*+)"|(?<!\S)([-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d{1,3})?)(?!\S)|(<exists>|<absent>)'
)
_WORDS = re.compile(r"(?:(?P<owner>.*?)\s*[-_@:]\s*)?(?:words?|phones?|phonemes?)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Tier:
    name: str
    intervals: tuple[tuple[float, float, str], ...]
    points: bool = False


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline as a TextGrid in the long format.

    The tiers of a speaker Anna are ``Anna`` (texts), ``label@Anna`` (``joy .71``; ``? joy .38`` for an abstention) and
    ``words@Anna``; overlapping utterances of one speaker go to ``Anna#2`` and so on. Kept: times to 1 ms, speakers,
    texts, labels, the confidence to 2 decimals, and words within their utterance (each starts no earlier than the end
    of the word before). Lost: utterances without a time, ids, distributions, word probabilities. Line breaks in names
    become spaces, those in texts ``\\n``.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    made = lanes(timeline)
    last = max((lane.members[-1].end for lane in made), default=1)
    end = max(last, round(timeline.recording.duration * 1000))
    out = ['File type = "ooTextFile"\nObject class = "TextGrid"\n', f"xmin = 0\nxmax = {clock.seconds(end)}"]
    out.append(f"tiers? <exists>\nsize = {3 * len(made)}\nitem []:")
    number = 0
    for lane in made:
        name = _name(lane)
        texts = [(one.start, one.end, one.utterance.text or "") for one in lane.members]
        labels = [(one.start, one.end, _label(one)) for one in lane.members]
        for title, entries in ((name, texts), (f"label@{name}", labels), (f"words@{name}", _words(lane))):
            number += 1
            out.append(_tier(number, title, _filled(entries, end), end))
    path.write_bytes(source.utf8("\n".join(out) + "\n"))


def read(path: Path) -> Conversation:
    """Read the interval tiers of a TextGrid (long or short format, UTF-8 or UTF-16) as speakers, in order of time.

    Each non-empty interval is an utterance. A tier named ``words`` or ``… - words`` has the words of the tier that it
    belongs to, and ``phones`` tiers are skipped, unless there is no other tier. Point tiers are skipped with a note.
    In files written by merc, ``meta`` has ``predicted`` (None for an abstention) and ``confidence``.

    Raises:
        FormatError: If the file is binary, chronological, truncated or not a TextGrid.
    """
    head = source.read_bytes(path)[:12]
    if head == b"ooBinaryFile":
        raise FormatError(f"{path.name} is a binary TextGrid: save it in Praat with 'Save as text file'")
    text, notes = source.read_text(path)
    tiers, said = _parsed(path, text), list(notes)
    said.extend(
        f"{path.name}: the point tier '{source.shown(tier.name)}' was skipped." for tier in tiers if tier.points
    )
    found = list(_speakers([tier for tier in tiers if not tier.points]))
    found.sort(key=lambda item: (item.start or 0.0, item.end or 0.0))
    return source.conversation(path, found, notes=said, meta={"format": "textgrid"})


def _name(lane: Lane) -> str:
    name = " ".join((lane.speaker or UNKNOWN).split()) or UNKNOWN
    return f"{name}#{lane.number}" if lane.number > 1 or re.search(r"#\d+$", name) else name


def _label(one: Placed) -> str:
    return tag(one.prediction)[1:-1] or one.utterance.label or ""


def _words(lane: Lane) -> list[tuple[int, int, str]]:
    found = []
    for member in lane.members:
        last = member.start
        for word in member.utterance.words:
            start, end = clock.milliseconds(word.segment)
            start, end = max(start, last), min(end, member.end)
            if start < end and word.text.strip():
                found.append((start, end, word.text))
                last = end
    return found


def _filled(entries: Sequence[tuple[int, int, str]], end: int) -> Iterator[tuple[int, int, str]]:
    last = 0
    for entry in entries:
        if last < entry[0]:
            yield last, entry[0], ""
        yield entry
        last = entry[1]
    if last < end:
        yield last, end, ""


def _tier(number: int, name: str, entries: Iterator[tuple[int, int, str]], end: int) -> str:
    rows = [
        f"        intervals [{place}]:\n            xmin = {clock.seconds(start)}\n"
        f"            xmax = {clock.seconds(stop)}\n            text = {_quoted(text)}"
        for place, (start, stop, text) in enumerate(entries, 1)
    ]
    head = f'    item [{number}]:\n        class = "IntervalTier"\n        name = {_quoted(name)}\n        xmin = 0\n'
    return "\n".join([f"{head}        xmax = {clock.seconds(end)}\n        intervals: size = {len(rows)}", *rows])


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _parsed(path: Path, text: str) -> list[_Tier]:
    if "chronological TextGrid" in text[:100]:
        raise FormatError(f"{path.name} is a chronological TextGrid: save it in Praat with 'Save as text file'")
    tokens = _Tokens(path, text)
    if not re.match(r'(File type\s*=\s*)?"ooTextFile', text.lstrip()) or tokens.string() is None:
        raise FormatError(
            f"{path.name} is not a TextGrid: line 1 is '{text.lstrip().splitlines()[0][:40]}', "
            f"expected 'File type = \"ooTextFile\"'; {source.hint(path, text)}"
        )
    if (kind := tokens.string()) != "TextGrid":
        raise FormatError(
            f"{path.name} is a Praat object '{source.shown(kind)}', expected 'TextGrid': export the TextGrid"
        )
    tokens.number(), tokens.number()
    if tokens.flag() != "<exists>":
        return []
    return [_one_tier(tokens) for _ in range(tokens.count())]


def _one_tier(tokens: _Tokens) -> _Tier:
    kind, name = tokens.string(), tokens.string()
    tokens.number(), tokens.number()
    points = kind == "TextTier"
    entries = []
    for _ in range(tokens.count()):
        start = tokens.number()
        entries.append((start, start if points else tokens.number(), tokens.string()))
    return _Tier(name, tuple(entries), points)


class _Tokens:
    """The free-standing numbers, strings and flags of a Praat text file; everything else is comment."""

    def __init__(self, path: Path, text: str) -> None:
        self._path, self._text = path, text
        self._matches = _TOKEN.finditer(text)
        self._line, self._seen = 1, 0

    def string(self) -> str:
        return self._next(1, "a quoted string").replace('""', '"')

    def number(self) -> float:
        return float(self._next(2, "a number"))

    def count(self) -> int:
        written = self._next(2, "a whole number")
        if not written.isdecimal():
            raise FormatError(
                f"{self._path.name} line {self._line} has {source.shown(written)}, expected a whole number"
            )
        return int(written[:9])

    def flag(self) -> str:
        return self._next(3, "<exists>")

    def _next(self, group: int, expected: str) -> str:
        match = next(self._matches, None)
        if match is None:
            raise FormatError(f"{self._path.name} is truncated: expected {expected} at its end; export it again")
        self._line += self._text.count("\n", self._seen, match.start())
        self._seen = match.start()
        if match[group] is None:
            raise FormatError(
                f"{self._path.name} line {self._line} has {match[0][:40]}, expected {expected}; export it again"
            )
        return match[group]


def _speakers(tiers: Sequence[_Tier]) -> Iterator[Item]:
    owners = _owners(tiers)
    place = 0
    while place < len(tiers):
        tier = tiers[place]
        follows = [one.name for one in tiers[place + 1 : place + 3]]
        if follows[:1] == [f"label@{tier.name}"]:
            words = tiers[place + 2].intervals if follows[1:] == [f"words@{tier.name}"] else None
            yield from _ours(tier, tiers[place + 1], words or ())
            place += 2 if words is None else 3
            continue
        place += 1
        if tier.name not in owners:
            yield from _spoken(tier, tiers, owners)


def _owners(tiers: Sequence[_Tier]) -> dict[str, str]:
    """By name of a tier the name of the speaker's tier that it belongs to."""
    names = {tier.name for tier in tiers}
    return {tier.name: owner for tier in tiers if (owner := _owner(tier.name, names)) is not None}


def _spoken(tier: _Tier, tiers: Sequence[_Tier], owners: Mapping[str, str]) -> Iterator[Item]:
    """The utterances of a speaker's tier, with the words of the tier that belongs to it."""
    said = [_item(tier.name, entry) for entry in tier.intervals if entry[2].strip()]
    return _with_words(said, _words_of(tier, tiers, owners))


def _words_of(tier: _Tier, tiers: Sequence[_Tier], owners: Mapping[str, str]) -> Sequence[tuple[float, float, str]]:
    """The intervals of the first tier of words that belongs to a speaker's tier."""
    for one in tiers:
        if owners.get(one.name) == tier.name and "word" in one.name.lower():
            return one.intervals
    return ()


def _owner(name: str, names: set[str]) -> str | None:
    """Name of the tier that a tier of words or phones belongs to; for phones without a text tier, the tier of words."""
    if not (match := _WORDS.fullmatch(name)):
        return None
    if match["owner"] in names:
        return match["owner"]
    if match["owner"] is None and len(others := [one for one in names if not _WORDS.fullmatch(one)]) == 1:
        return others[0]
    words = re.sub(r"phone(me)?(s?)$", r"word\2", name, flags=re.IGNORECASE)
    return words if words != name and words in names else None


def _item(speaker: str | None, entry: tuple[float, float, str], meta: dict[str, Any] | None = None) -> Item:
    return Item(entry[2] or None, speaker, entry[0], entry[1], meta=meta or {})


def _ours(tier: _Tier, labels: _Tier, words: Sequence[tuple[float, float, str]]) -> Iterator[Item]:
    name = re.sub(r"#\d+$", "", tier.name)
    speaker = None if name == UNKNOWN else name
    texts = {entry[:2]: entry[2] for entry in tier.intervals}
    items = []
    for start, end, label in labels.intervals:
        if label:
            _, prediction = untag(f"[{label}]")
            made = _item(speaker, (start, end, texts.pop((start, end), "")), prediction)
            items.append(made if prediction else replace(made, label=label))
    items.extend(_item(speaker, (*times, text)) for times, text in texts.items() if text.strip())
    yield from _with_words(items, words)


def _with_words(items: Sequence[Item], words: Sequence[tuple[float, float, str]]) -> Iterator[Item]:
    spoken = [
        Word(text, segment) for start, end, text in words if text.strip() and (segment := source.span(start, end))
    ]
    spoken.sort(key=lambda word: word.segment.middle)
    middles = [word.segment.middle for word in spoken]
    for item in items:
        span = source.span(item.start, item.end)
        first, last = (bisect_left(middles, time) for time in ((span.start, span.end) if span else (0.0, 0.0)))
        yield replace(item, words=tuple(spoken[first:last]))
