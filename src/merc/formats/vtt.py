"""WebVTT subtitles (``.vtt``): one cue per utterance, ``<v Anna>I can't believe it! [joy .71]``."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import clock, cues, markup, source
from merc.formats.source import Item
from merc.formats.srt import spoken, untagged
from merc.formats.tags import lines, tag, tagged


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline as WebVTT.

    Kept: ids, times to 1 ms, speakers, texts, predicted labels (for an abstention the most probable label, marked)
    and the confidence to 2 decimals. Lost: utterances without a time, words, distributions, leading and trailing
    spaces, repeated spaces in names and ids, blank lines.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    name = " ".join(timeline.recording.name.split()).replace("-->", "→")
    blocks = ["WEBVTT\n", f"NOTE merc-timeline/2 of {name}; [label .dd] is a predicted label and its confidence\n"]
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
    resolved, and of captions that roll (YouTube's) each line is read once. In subtitles written by merc, ``meta`` has
    ``predicted`` (None for an abstention) and ``confidence``.

    Raises:
        FormatError: If the file does not start with WEBVTT or has no cue.
    """
    text, notes = source.read_text(path)
    if not re.match(r"WEBVTT(?:\s|$)", text):
        first = text.split("\n", 1)[0][:40]
        raise FormatError(
            f"{path.name} is not WebVTT: line 1 is '{first}', expected 'WEBVTT'; {source.hint(path, text)}"
        )
    found_cues = cues.scan(text.split("\n"), ids=True)
    numbered = [(number, item) for number, item in enumerate(found_cues) for item in markup.voices(item)]
    if not numbered:
        raise FormatError(
            f"{path.name}: no line like '00:01.000 --> 00:02.500' was found, expected one per cue; "
            "check that the export was complete"
        )
    voices = [item for _, item in numbered]
    if len(dict(numbered)) < len(numbered):
        notes = (*notes, f"{path.name} has cues with several voices; their utterances share the time of the cue.")
    found, more = _read_tags(voices) or spoken(path, voices)
    return source.conversation(path, found, notes=(*notes, *more), meta={"format": "vtt"})


def _read_tags(voices: Sequence[Item]) -> tuple[list[Item], list[str]] | None:
    """The utterances of subtitles that merc wrote, with their predictions; None for others."""
    if not tagged([item.text or "" for item in voices]):
        return None
    return [untagged(replace(item, text=html.unescape(item.text or ""))) for item in voices], []
