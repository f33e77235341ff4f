"""SubRip subtitles (``.srt``): one cue per utterance, ``Anna: I can't believe it! [joy .71]``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import clock, source
from merc.formats.source import Item
from merc.formats.speakers import split_speakers, split_turns
from merc.formats.tags import lines, prefixed, tag, tagged, unprefixed, untag

_TIME = r"(-?(?:\d{1,6}:)?\d{1,3}:\d{1,2}(?:[.,]\d*)?)"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_STYLE = re.compile(r"</?\s*(?:[ibus]|font\b[^<>]*)\s*>|\{\\[^{}]*\}", re.IGNORECASE)


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline as subtitles.

    Kept: times to 1 ms, speakers, texts, predicted labels (for an abstention the most probable label, marked) and the
    confidence to 2 decimals. Lost: utterances without a time, ids, words, distributions, leading and trailing spaces,
    repeated spaces in names, blank lines. ``-->`` becomes ``→``, because it would be parsed as a timing line.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    cues: list[str] = []
    for utterance, prediction in timeline:
        if utterance.segment is None:
            continue
        start, end = (clock.stamp(time, mark=",") for time in clock.milliseconds(utterance.segment))
        said = prefixed(utterance.speaker, f"{lines(utterance.text)} {tag(prediction)}".strip()).replace("-->", "→")
        cues.append(f"{len(cues) + 1}\n{start} --> {end}\n{said}\n")
    path.write_bytes(source.utf8("\n".join(cues)))


def read(path: Path) -> Conversation:
    """Read subtitles.

    Speakers are recognised in ``NAME: text`` and ``[Name] text``; lines that start with a dash become utterances that
    share the time of their cue. Formatting (``<i>``, ``<font …>``, ``{\\an8}``) is removed. In subtitles written by
    merc, ``meta`` has ``predicted`` (None for an abstention) and ``confidence``.

    Raises:
        FormatError: If the file has no cue.
    """
    text, notes = source.read_text(path)
    if text.lstrip().startswith("WEBVTT"):
        raise FormatError(f"{path.name} is not SubRip; {source.hint(path, text)}")
    items = list(_cues(text))
    if not items:
        raise FormatError(
            f"{path.name}: no line like '00:00:01,000 --> 00:00:02,500' was found, expected one per subtitle; "
            f"{source.hint(path, text)}"
        )
    if tagged([item.text or "" for item in items]):
        found, more = [_prefixed(untagged(item)) for item in items], list[str]()
    else:
        found, more = spoken(path, items)
    return source.conversation(path, found, notes=(*notes, *more), meta={"format": "srt"})


def untagged(item: Item) -> Item:
    """Move the tag at the end of a cue into ``meta``; a text without a tag is unchanged."""
    text, prediction = untag(item.text or "")
    return replace(item, text=text or None, meta={**item.meta, **prediction})


def spoken(path: Path, items: Sequence[Item]) -> tuple[list[Item], list[str]]:
    """Split cues that merc did not write into turns with speakers.

    Returns:
        The turns, and notes on cues with several turns.
    """
    turns = [(item, turn) for item in items for turn in split_turns(_STYLE.sub("", item.text or "").strip())]
    named = zip(turns, split_speakers([turn for _, turn in turns]), strict=True)
    found = [replace(item, text=said or None, speaker=item.speaker or speaker) for (item, _), (speaker, said) in named]
    if len(turns) == len(items):
        return found, []
    note = f"{path.name} has cues in which several speakers talk; their utterances share the time of the cue."
    return [replace(item, id=None) for item in found], [note]


def _prefixed(item: Item) -> Item:
    speaker, said = unprefixed(item.text or "")
    return replace(item, text=said or None, speaker=speaker)


def _cues(text: str) -> Iterator[Item]:
    rows = text.split("\n")
    timings = [(number, match) for number, row in enumerate(rows) if (match := _TIMING.fullmatch(row))]
    for place, (number, match) in enumerate(timings):
        following = timings[place + 1][0] if place + 1 < len(timings) else len(rows) + 1
        body = [row.strip() for row in rows[number + 1 : following]]
        if place + 1 < len(timings) and body and body[-1].isdecimal():
            body.pop()
        yield Item("\n".join(filter(None, body)), start=clock.parse(match[1]), end=clock.parse(match[2]))
