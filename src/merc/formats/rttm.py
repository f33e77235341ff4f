"""Rich Transcription Time Marked (``.rttm``): speaker turns, the format used to score diarisation."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from urllib.parse import quote, unquote

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import clock, source
from merc.formats.source import Item

_NONE = "<NA>"
_NULLS = frozenset(("na", "n/a", "nan", "null", "none", "<na>", "#n/a", "-nan"))


def write(timeline: Timeline, path: Path) -> None:
    """Write one SPEAKER line per utterance.

    Kept: times to 1 ms, speakers. Lost: everything else, and utterances without a time. Names cannot have spaces in
    this format, so spaces, ``%``, quotes and names that readers take for "missing" are percent-encoded; an unknown
    speaker is ``<NA>``.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    name = _escape(Path(timeline.recording.name).stem)
    rows = []
    for utterance in timeline.utterances:
        if utterance.segment is not None:
            start, end = clock.milliseconds(utterance.segment)
            times = f"{clock.seconds(start)} {clock.seconds(end - start)}"
            rows.append(f"SPEAKER {name} 1 {times} <NA> <NA> {_escape(utterance.speaker)} <NA> <NA>\n")
    path.write_bytes(source.utf8("".join(rows)))


def read(path: Path) -> Conversation:
    """Read the SPEAKER lines as a conversation without text; other lines are skipped.

    If the file describes several recordings, the one with the name of the file is read.

    Raises:
        FormatError: If a line has too few fields or a time is not a number, or if none of several recordings has the
            name of the file.
    """
    text, notes = source.read_text(path)
    turns: list[tuple[str, Item]] = []
    for number, row in enumerate(text.split("\n"), 1):
        fields = row.split()
        if not fields or fields[0].startswith(";;"):
            continue
        if fields[0] == "SPEAKER":
            turns.append(_turn(path, number, fields))
        elif not fields[0].replace("-", "").isupper():
            raise FormatError(
                f"{path.name} line {number} is '{row[:40]}', expected 'SPEAKER name 1 start duration …'; "
                f"{source.hint(path, text)}"
            )
    wanted = _recording(path, sorted({name for name, _ in turns}))
    return source.conversation(
        path, [item for name, item in turns if name == wanted], notes=notes, meta={"format": "rttm"}
    )


def _recording(path: Path, recordings: Sequence[str]) -> str:
    """The recording that is read: the only one, or of several the one with the name of the file."""
    if len(recordings) <= 1:
        return recordings[0] if recordings else ""
    if path.stem not in recordings:
        names = ", ".join(map(source.shown, recordings[:3]))
        raise FormatError(
            f"{path.name} describes {len(recordings)} recordings ({names}, …), expected one: "
            "give a file with one recording, or rename it after the recording"
        )
    return path.stem


def _turn(path: Path, number: int, fields: list[str]) -> tuple[str, Item]:
    if len(fields) < 8:
        raise FormatError(
            f"{path.name} line {number} has {len(fields)} fields, expected at least 8: "
            "SPEAKER name channel start duration <NA> <NA> speaker; correct the line"
        )
    try:
        start, duration = float(fields[3]), float(fields[4])
    except ValueError as error:
        raise FormatError(
            f"{path.name} line {number}: start '{source.shown(fields[3])}', duration '{source.shown(fields[4])}'; "
            "expected two numbers in seconds"
        ) from error
    speaker = None if fields[7] == _NONE else unquote(fields[7])
    return unquote(fields[1]), Item(speaker=speaker, start=start, end=round(start + duration, 6))


def _escape(name: str | None) -> str:
    if not name:
        return _NONE
    safe = "".join(
        quote(letter, safe="") if letter.isspace() or not letter.isprintable() or letter in "%\"'" else letter
        for letter in source.utf8(name).decode()
    )
    return f"%{ord(safe[0]):02X}{safe[1:]}" if safe.lower() in _NULLS or safe.startswith(";;") else safe
