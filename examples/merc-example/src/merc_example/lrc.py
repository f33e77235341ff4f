"""LRC (``.lrc``): the lines of a song sheet, ``[mm:ss.xx]Speaker: text``, written and read."""

from __future__ import annotations

import re
from pathlib import Path

from merc.conversation import Conversation, Segment, Timeline, Utterance
from merc.errors import FormatError

MERC_CONTRACT = 1

_LINE = re.compile(r"\[(\d+):(\d\d(?:\.\d+)?)\](?:([^:]{1,40}): )?(.*)")


def write(timeline: Timeline, path: Path) -> None:
    """Write the utterances that have a time, with speaker and predicted label."""
    lines = []
    for one, guess in timeline:
        if one.segment is not None:
            minutes, seconds = divmod(one.segment.start, 60)
            label = f" [{guess.label}]" if guess.label else ""
            lines.append(f"[{int(minutes):02d}:{seconds:05.2f}]{one.speaker or '?'}: {one.text or ''}{label}\n")
    path.write_text("".join(lines), encoding="utf-8")


def read(path: Path) -> Conversation:
    """Read a song sheet as a transcript; an utterance ends where the next begins, the last after two seconds."""
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise FormatError(f"{path.name}, line {number}: '{line}': expected [mm:ss.xx]text")
        found.append((int(match[1]) * 60 + float(match[2]), match[3], match[4]))
    ends = [start for start, _, _ in found[1:]] + [found[-1][0] + 2.0] if found else []
    utterances = tuple(
        Utterance(f"u{place}", speaker, text, Segment(start, max(end, start + 0.01)))
        for place, ((start, speaker, text), end) in enumerate(zip(found, ends, strict=True), 1)
    )
    return Conversation(path.stem, utterances, {"notes": ()})
