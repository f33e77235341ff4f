"""Plain text (``.txt``): one utterance per line, ``Speaker: text`` or only the text, with or without times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import clock, markup, source
from merc.formats.source import Item
from merc.formats.speakers import split_speakers, split_turns
from merc.formats.srt import untagged
from merc.formats.stamped import blocks
from merc.formats.tags import lines, prefixed, tag, tagged

_OTHERS = re.compile(
    r'\A\s*(WEBVTT\b|<\?xml|<ANNOTATION_DOCUMENT|File type = "ooText|\[?\s*\{\s*"|SPEAKER \S+ \d+ \d)'
    r"|^\d+[ \t]*\n[\d:.,]{5,} --> [\d:.,]{5,}[ \t]*$",
    re.MULTILINE,
)


def write(timeline: Timeline, path: Path) -> None:
    """Write one paragraph per utterance: ``[00:00:04] Anna: I can't believe it! [joy .71]``.

    MAXQDA, ATLAS.ti and NVivo read the stamps at the start of the paragraphs. Kept: starts to the second, speakers,
    texts, labels and the confidence to 2 decimals. Lost: ends, ids, words, distributions, line breaks. An utterance
    without a time has no stamp.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    path.write_bytes(source.utf8("".join(f"{''.join(parts)}\n" for parts in paragraphs(timeline))))


def paragraphs(timeline: Timeline) -> Iterator[tuple[str, str, str]]:
    """Stamp, name, and text with label of each utterance, which follow each other; what is unknown is empty."""
    for utterance, prediction in timeline:
        said = f"{' '.join(lines(utterance.text).split())} {tag(prediction)}".strip()
        stamp = name = ""
        if utterance.segment is not None:
            start, _ = clock.milliseconds(utterance.segment)
            stamp = f"[{clock.stamp(start, mark='.')[:-4]}] "
        if utterance.speaker:
            name = prefixed(utterance.speaker, "")
        yield stamp, name, said


def read(path: Path) -> Conversation:
    """Read a text file.

    Time stamps at the start of lines, behind names or on lines of their own give utterances their times (see
    ``merc.formats.stamped``); without them each line is an utterance. Blank lines are skipped. A prefix is a speaker as
    ``merc.formats.speakers`` decides; lines that start with a dash or ``>>`` lose it. In files written by merc,
    ``meta`` has the label of the tag behind the text.

    Raises:
        FormatError: If the file is empty or has another format.
    """
    text, notes = source.read_text(path)
    return conversation(path, text, notes=notes)


def conversation(path: Path, text: str, *, notes: Sequence[str] = ()) -> Conversation:
    """The utterances of a text, as ``read`` finds them.

    Args:
        path: The file that the text is from, for messages.
        text: Its lines.
        notes: Sentences on what was guessed so far.

    Raises:
        FormatError: If the text has another format, or no utterance.
    """
    if _OTHERS.search(text):
        raise FormatError(f"{path.name} is not plain text; {source.hint(path, text)}")
    rows = [row.strip() for row in text.split("\n")]
    found = _spoken(blocks(rows) or [Item(turn) for row in rows if row for turn in split_turns(row)])
    if tagged([one.text or "" for one in found]):
        found = list(map(untagged, found))
    return source.conversation(path, found, notes=notes, meta={"format": path.suffix[1:].lower()})


def _spoken(items: Sequence[Item]) -> list[Item]:
    """Items with the speakers that their texts name; an item with a speaker keeps its text."""
    texts = [markup.plain(item.text or "").strip() for item in items]
    names = iter(split_speakers([text for text, item in zip(texts, items, strict=True) if not item.speaker]))
    found = []
    for item, text in zip(items, texts, strict=True):
        speaker, said = (item.speaker, text) if item.speaker else next(names)
        found.append(Item(said or None, speaker, item.start, item.end))
    return found
