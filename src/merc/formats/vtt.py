"""WebVTT subtitles (``.vtt``): one cue per utterance, ``<v Anna>I can't believe it! [joy .71]``."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import clock, source
from merc.formats.source import Item
from merc.formats.srt import spoken, untagged
from merc.formats.tags import lines, tag, tagged

_TIME = r"(-?(?:\d{1,6}:)?\d{1,3}:\d{1,2}(?:[.,]\d*)?)"
_TIMING = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?")
_VOICE = re.compile(r"<v(?:\.[^\s<>]*)?(?:[ \t\n]+([^<>]*))?>", re.IGNORECASE)
_SPAN = re.compile(r"</?(?:c|i|b|u|ruby|rt|v|lang)\b[^<>]*>|<[\d:.]+>", re.IGNORECASE)


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline as WebVTT.

    Kept: ids, times to 1 ms, speakers, texts, predicted labels (for an abstention the most probable label, marked)
    and the confidence to 2 decimals. Lost: utterances without a time, words, distributions, leading and trailing
    spaces, repeated spaces in names and ids, blank lines.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    name = " ".join(timeline.recording.name.split()).replace("-->", "→")
    blocks = ["WEBVTT\n", f"NOTE merc-timeline/1 of {name}; [label .dd] is a predicted label and its confidence\n"]
    for utterance, prediction in timeline:
        if utterance.segment is None:
            continue
        start, end = (clock.stamp(time, mark=".") for time in clock.milliseconds(utterance.segment))
        said = html.escape(f"{lines(utterance.text)} {tag(prediction)}".strip(), quote=False)
        voice = html.escape(" ".join((utterance.speaker or "").split()), quote=False)
        cue = " ".join(utterance.id.split()).replace("-->", "→")
        head = f"{cue}\n" if cue else ""
        blocks.append(f"{head}{start} --> {end}\n{f'<v {voice}>' if voice else ''}{said}\n")
    path.write_bytes(source.utf8("\n".join(blocks)))


def read(path: Path) -> Conversation:
    """Read WebVTT.

    The speaker is the voice (``<v Name>``), or else recognised in the text as in SubRip; a cue with several voices
    becomes several utterances that share its time. Other tags and inner timestamps are removed, character references
    resolved. In subtitles written by merc, ``meta`` has ``predicted`` (None for an abstention) and ``confidence``.

    Raises:
        FormatError: If the file does not start with WEBVTT or has no cue.
    """
    text, notes = source.read_text(path)
    if not re.match(r"WEBVTT(?:\s|$)", text):
        first = text.split("\n", 1)[0][:40]
        raise FormatError(
            f"{path.name} is not WebVTT: line 1 is '{first}', expected 'WEBVTT'; {source.hint(path, text)}"
        )
    cues = [(number, item) for number, item in enumerate(_cues(text)) for item in _voices(item)]
    if not cues:
        raise FormatError(
            f"{path.name}: no line like '00:01.000 --> 00:02.500' was found, expected one per cue; "
            "check that the export was complete"
        )
    voices = [item for _, item in cues]
    if len(dict(cues)) < len(cues):
        notes = (*notes, f"{path.name} has cues with several voices; their utterances share the time of the cue.")
    found, more = _read_tags(voices) or spoken(path, voices)
    return source.conversation(path, found, notes=(*notes, *more), meta={"format": "vtt"})


def _read_tags(voices: Sequence[Item]) -> tuple[list[Item], list[str]] | None:
    """The utterances of subtitles that merc wrote, with their predictions; None for others."""
    if not tagged([item.text or "" for item in voices]):
        return None
    return [untagged(item) for item in voices], []


def _cues(text: str) -> Iterator[Item]:
    for block in re.split(r"\n{2,}", text):
        rows = block.strip("\n").split("\n")
        for number, row in enumerate(rows[:2]):
            if match := _TIMING.fullmatch(row):
                yield _cue(match, rows[0].strip() if number else None, rows[number + 1 :])
                break


def _cue(match: re.Match[str], name: str | None, body: Sequence[str]) -> Item:
    return Item("\n".join(body), start=clock.parse(match[1]), end=clock.parse(match[2]), id=name)


def _voices(item: Item) -> Iterator[Item]:
    written = item.text or ""
    parts = _VOICE.split(written)
    pieces = list(zip([None, *parts[1::2]], parts[::2], strict=True))
    kept = [(voice, said) for voice, said in pieces if voice or _SPAN.sub("", said).strip()] or [(None, "")]
    for voice, said in kept:
        name = " ".join(html.unescape(voice or "").split())
        text = html.unescape(_SPAN.sub("", said)).strip()
        yield Item(text, name or None, item.start, item.end, item.id if len(kept) == 1 else None)
