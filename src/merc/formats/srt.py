"""SubRip subtitles (``.srt``): one cue per utterance, ``Anna: I can't believe it! [joy .71]``."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import clock, cues, markup, source
from merc.formats.rolling import unrolled
from merc.formats.source import Item
from merc.formats.speakers import opens_turn, split_speakers, split_turns
from merc.formats.tags import lines, prefixed, tag, tagged, unprefixed, untag
from merc.formats.transcript import NOTHING


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline as subtitles.

    Kept: times to 1 ms, speakers, texts, labels (for an abstention the most probable label, marked) and the confidence
    to 2 decimals. Lost: utterances without a time, ids, words, distributions, leading and trailing spaces,
    repeated spaces in names, blank lines. ``-->`` becomes ``→``, because it would be parsed as a timing line.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    made: list[str] = []
    for utterance, prediction in timeline:
        if utterance.segment is None:
            continue
        start, end = (clock.stamp(time, mark=",") for time in clock.milliseconds(utterance.segment))
        text = f"{lines(utterance.text)} {tag(prediction)}".strip()
        said = text if prediction == NOTHING and not utterance.speaker else prefixed(utterance.speaker, text)
        said = said.replace("-->", "→")
        made.append(f"{len(made) + 1}\n{start} --> {end}\n{said}\n")
    path.write_bytes(source.utf8("\n".join(made)))


def read(path: Path) -> Conversation:
    """Read subtitles.

    Speakers are recognised in ``NAME: text`` and ``[Name] text``; lines that start with a dash or ``>>`` become
    utterances that share the time of their cue. Formatting (``<i>``, ``<font …>``, ``{\\an8}``) is removed, character
    references are resolved, and of captions that roll each line is read once. In subtitles written by merc,
    ``meta`` has ``predicted`` (None for an abstention) and ``confidence``.

    Raises:
        FormatError: If the file has no cue.
    """
    text, notes = source.read_text(path)
    if text.lstrip().startswith("WEBVTT"):
        raise FormatError(f"{path.name} is not SubRip; {source.hint(path, text)}")
    items = cues.scan(text.split("\n"), ids=False)
    if not items:
        raise FormatError(
            f"{path.name}: no line like '00:00:01,000 --> 00:00:02,500' was found, expected one per subtitle; "
            f"{source.hint(path, text)}"
        )
    if tagged([item.text or "" for item in items]):
        found, more = [_prefixed(untagged(item)) for item in items], list[str]()
    else:
        found, more = spoken(path, [voice for item in items for voice in markup.voices(item)])
    return source.conversation(path, found, notes=(*notes, *more), meta={"format": "srt"})


def untagged(item: Item) -> Item:
    """Move the tag at the end of a cue into ``meta``; a text without a tag is unchanged."""
    text, prediction = untag(item.text or "")
    return replace(item, text=text or None, meta={**item.meta, **prediction})


def spoken(path: Path, items: Sequence[Item]) -> tuple[list[Item], list[str]]:
    """Split cues that merc did not write into turns with speakers.

    Of captions that roll, each line is kept once. Where chevrons mark other speakers, a turn without them belongs to
    the speaker before.

    Returns:
        The turns, and notes on what was changed.
    """
    plain = [replace(item, text=markup.plain(item.text or "").strip()) for item in items]
    ordered, notes = source.by_time(path, plain)
    kept, rolling = unrolled(ordered)
    if not rolling:  # sorted when the conversation is made
        kept, notes = plain, ()
    found = _named_turns(kept)
    remarks = [*notes]
    if rolling:
        remarks.append(f"{path.name} has captions that repeat the lines before; each line was read once.")
    if len(found) > len(kept):
        remarks.append(
            f"{path.name} has cues in which several speakers talk; their utterances share the time of the cue."
        )
        found = [replace(item, id=None) for item in found]
    return found, remarks


def _named_turns(items: Sequence[Item]) -> list[Item]:
    """The turns of cues, with the speakers that their texts name."""
    turns = [(item, turn) for item in items for turn in split_turns(item.text or "")]
    names = split_speakers([turn for _, turn in turns])
    found: list[Item] = []
    for (item, _), (speaker, said), same in zip(turns, names, _continued(items), strict=True):
        before = found[-1].speaker if same and found else None
        found.append(replace(item, text=said or None, speaker=item.speaker or speaker or before))
    return found


def _continued(items: Sequence[Item]) -> list[bool]:
    """For each turn of the cues whether it continues the one before: chevrons mark those that do not."""
    texts = [item.text or "" for item in items]
    marked = any(map(opens_turn, texts))
    found = []
    for text in texts:
        found.append(marked and bool(text) and not opens_turn(text))
        found.extend([False] * (len(split_turns(text)) - 1))
    return found


def _prefixed(item: Item) -> Item:
    speaker, said = unprefixed(item.text or "")
    return replace(item, text=said or None, speaker=speaker)
