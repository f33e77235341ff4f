"""What all readers share: encodings, invalid times, duplicate ids, and notes on them."""

from __future__ import annotations

import codecs
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, Segment, Utterance, Word
from merc.errors import FormatError, InputError

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SHAPES = (
    ("WEBVTT", "WebVTT", ".vtt"),
    ("<?xml", "XML", ".eaf"),
    ('File type = "ooTextFile', "a Praat TextGrid", ".TextGrid"),
    ("SPEAKER ", "RTTM", ".rttm"),
    ("{", "JSON", ".json"),
    ("[{", "JSON", ".json"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One utterance as read from a file: any field may be unknown, and times (in seconds) are not validated yet."""

    text: str | None = None
    speaker: str | None = None
    start: float | None = None
    end: float | None = None
    id: str | None = None
    label: str | None = None
    words: tuple[Word, ...] = ()
    meta: Mapping[str, Any] = field(default_factory=dict)


def read_bytes(path: Path) -> bytes:
    """Read a file.

    Raises:
        InputError: If it cannot be opened or is a folder.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror or error}; check the path of the transcript") from error


def read_text(path: Path) -> tuple[str, tuple[str, ...]]:
    """Decode a file as ``decoded`` does, and convert line endings to ``\\n``."""
    text, notes = decoded(path)
    return text.replace("\r\n", "\n").replace("\r", "\n"), notes


def decoded(path: Path) -> tuple[str, tuple[str, ...]]:
    """Decode a file as UTF-8, UTF-16 or UTF-32 by its byte-order mark, or else UTF-8, or else Windows-1252 or Latin-1.

    Returns:
        The text, and notes on what was guessed.

    Raises:
        FormatError: If the file is empty or not text.
        InputError: If it cannot be opened.
    """
    data = read_bytes(path)
    encoding = next((name for mark, name in _MARKS if data.startswith(mark)), None)
    if encoding is None and b"\0" in data[:65536]:
        raise FormatError(f"{path.name} is not a text file: give a transcript, or save it as UTF-8 text")
    text, notes = _decode(path.name, data, encoding)
    if not text.strip():
        raise FormatError(f"{path.name} is empty: expected a transcript; check that the export is complete")
    return text.removeprefix("\ufeff"), notes


def _decode(name: str, data: bytes, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    if encoding:
        try:
            return data.decode(encoding), ()
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{name} has a {encoding.upper()} byte-order mark but byte {error.start} is invalid; save it as UTF-8"
            ) from error
    try:
        return data.decode("utf-8"), ()
    except UnicodeDecodeError:
        pass
    try:
        return data.decode("cp1252"), (f"{name} is not UTF-8; it was read as Windows-1252.",)
    except UnicodeDecodeError:
        return data.decode("latin-1"), (f"{name} is not UTF-8; it was read as Latin-1.",)


def hint(path: Path, text: str) -> str:
    """Last part of an error message: which format the file looks like, and what to do."""
    head = text.lstrip()
    for opening, kind, extension in _SHAPES:
        if head.startswith(opening) and path.suffix.lower() != extension.lower():
            return f"it looks like {kind}: rename it to {path.stem}{extension}"
    if " --> " in text and path.suffix.lower() != ".srt":
        return f"it looks like SubRip: rename it to {path.stem}.srt"
    return "check that it was exported in the format of its extension"


def conversation(
    path: Path, items: Sequence[Item], *, notes: Sequence[str] = (), meta: Mapping[str, Any] | None = None
) -> Conversation:
    """Make a conversation; its id is the file name without the extension.

    An utterance with a negative, reversed, empty or incomplete time gets no segment; ``meta["times"]`` has
    ``(start, end)`` as written, and a note names it. Utterances without an id, or all of them if ids are not unique,
    are numbered ``u1``, ``u2``, ….

    Args:
        path: The file.
        items: Its utterances in order.
        notes: Sentences on what was guessed so far.
        meta: Other information on the file.

    Raises:
        FormatError: If there is no utterance.
    """
    if not items:
        raise FormatError(f"{path.name} has no utterance: expected at least one; check that the export is complete")
    said = [*notes]
    ids = [item.id or f"u{number}" for number, item in enumerate(items, 1)]
    repeated, count = Counter(ids).most_common(1)[0]
    if count > 1:
        said.append(f"{path.name} repeats the id {repeated}; its utterances are numbered u1 to u{len(items)}.")
        ids = [f"u{number}" for number in range(1, len(items) + 1)]
    utterances = tuple(map(_utterance, ids, items))
    if lost := [utterance.id for utterance in utterances if "times" in utterance.meta]:
        said.append(f"{path.name}: {_listing(lost)} (negative, reversed, empty or incomplete times).")
    facts = {"file": path.name, **(meta or {}), "notes": tuple(said)}
    return Conversation(path.stem, utterances, facts)


def _listing(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return f"the times of {', '.join(ids[:5])}{more} cannot be used"


def _utterance(name: str, item: Item) -> Utterance:
    meta = dict(item.meta)
    if item.id and item.id != name:
        meta["id"] = item.id
    segment = span(item.start, item.end)
    if segment is None and not (item.start is None and item.end is None):
        meta["times"] = (item.start, item.end)
    return Utterance(
        name, item.speaker or None, item.text, segment=segment, words=item.words, label=item.label, meta=meta
    )


def span(start: float | None, end: float | None) -> Segment | None:
    """The segment between two times in seconds, or None if they are unknown or invalid."""
    if start is None or end is None or not (math.isfinite(start) and math.isfinite(end) and 0 <= start < end):
        return None
    return Segment(start, end)


def utf8(text: str) -> bytes:
    """Encode as UTF-8; lone surrogates, which cannot be encoded, become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
