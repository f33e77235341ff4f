"""What all readers share: encodings, order, invalid and missing times, duplicate ids, and notes on them."""

from __future__ import annotations

import codecs
import io
import math
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

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

ESTIMATED = "estimated"
"""Value of ``meta["end"]`` where a transcript gives only the start of an utterance."""
_WORD, _LEAD = 0.7, 1.0  # seconds a word, and beyond them, that an utterance without an end lasts at most

_LARGEST = 256 * 2**20  # bytes of an unpacked Office document

Entry = TypeVar("Entry")


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


def require_moderate_archive(path: Path, data: bytes) -> None:
    """Refuse an Office document whose parts would fill the memory when they are unpacked.

    Raises:
        FormatError: If the sizes that it states for its parts come to more than 256 MiB; they cannot be larger.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            size = sum(part.file_size for part in archive.infolist())
    except (zipfile.BadZipFile, ValueError, OverflowError, NotImplementedError):
        return  # no archive: whoever parses it says so
    if size > _LARGEST:
        raise FormatError(
            f"{path.name} unpacks to {size / 2**20:.0f} MiB: expected a document of at most {_LARGEST // 2**20} MiB; "
            "save the transcript as .txt or .csv"
        )


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
    if encoding is None and b"\0" in data[:65536] and (encoding := _unmarked(data)) is None:
        raise FormatError(f"{path.name} is not a text file: give a transcript, or save it as UTF-8 text")
    text, notes = _decode(path.name, data, encoding)
    if not text.strip():
        raise FormatError(f"{path.name} is empty: expected a transcript; check that the export is complete")
    return text.removeprefix("\ufeff"), notes


def _unmarked(data: bytes) -> str | None:
    """UTF-16 without a byte-order mark: of mostly Latin text every other byte is 0."""
    head = data[:4096]
    if len(data) % 2 or head.count(0) < 0.3 * len(head):
        return None
    return "utf-16-le" if head[1::2].count(0) > head[::2].count(0) else "utf-16-be"


def _decode(name: str, data: bytes, encoding: str | None) -> tuple[str, tuple[str, ...]]:
    if encoding:
        try:
            return data.decode(encoding), ()
        except UnicodeDecodeError as error:
            raise FormatError(
                f"{name} looks like {encoding.upper()} but byte {error.start} is invalid; save it as UTF-8"
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

    Utterances are sorted by time, with a note; ``meta["order"]`` then has the place of each in the file. One that has
    only a start ends where the next one begins, or sooner, at a slow rate of speech; its ``meta["end"]`` is
    "estimated". One with a negative, reversed, empty or incomplete time gets no segment; ``meta["times"]`` has
    ``(start, end)`` as written, and a note names it. Utterances without an id, or all of them if ids are not unique,
    are numbered ``u1``, ``u2``, ….

    Args:
        path: The file.
        items: Its utterances.
        notes: Sentences on what was guessed so far.
        meta: Other information on the file.

    Raises:
        FormatError: If there is no utterance.
    """
    if not items:
        raise FormatError(f"{path.name} has no utterance: expected at least one; check that the export is complete")
    ordered, sorting = by_time(path, items)
    said = [*notes, *sorting]
    numbers = {id(item): number for number, item in enumerate(items)}
    order = {"order": tuple(numbers[id(item)] for item in ordered)} if sorting else {}
    items = _with_ends(ordered)
    ids, repeated = _ids(items)
    if open_ended := sum(item.meta.get("end") == ESTIMATED for item in items):
        said.append(f"{path.name} gives no end for {open_ended} of {len(items)} utterances; their ends are estimated.")
    if repeated:
        said.append(f"{path.name} repeats the id {shown(repeated)}; its utterances are numbered u1 to u{len(items)}.")
    utterances = tuple(map(_utterance, ids, items))
    if lost := [utterance.id for utterance in utterances if "times" in utterance.meta]:
        said.append(f"{path.name}: {_listing(lost)} (negative, reversed, empty or incomplete times).")
    facts = {"file": path.name, **(meta or {}), **order, "notes": tuple(said)}
    return Conversation(path.stem, utterances, facts)


def _ids(items: Sequence[Item]) -> tuple[list[str], str | None]:
    """The ids, or u1, u2, … for those without one, or for all if one repeats, which is returned as well."""
    given = [item.id or f"u{number}" for number, item in enumerate(items, 1)]
    repeated, count = Counter(given).most_common(1)[0]
    return (given, None) if count == 1 else ([f"u{number}" for number in range(1, len(given) + 1)], repeated)


def _listing(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 5} more" if len(ids) > 5 else ""
    return f"the times of {', '.join(map(shown, ids[:5]))}{more} cannot be used"


def by_time(path: Path, items: Sequence[Item]) -> tuple[list[Item], tuple[str, ...]]:
    """Items sorted by start, and a note where that changed their order; unusable times do not count."""
    usable = [item.end is None or span(item.start, item.end) is not None for item in items]
    ordered = in_order(items, [item.start if known else None for item, known in zip(items, usable, strict=True)])
    if all(one is other for one, other in zip(items, ordered, strict=True)):
        return ordered, ()
    return ordered, (f"{path.name} is not in order of time; its utterances were sorted.",)


def in_order(entries: Sequence[Entry], starts: Sequence[float | None]) -> list[Entry]:
    """Entries sorted by start; one without a usable start stays behind the one before it.

    Example:
        >>> in_order("abcd", [3.0, None, 1.0, 2.0])
        ['c', 'd', 'a', 'b']
    """
    keys, last = [], -math.inf
    for start in starts:
        if start is not None and math.isfinite(start):
            last = start
        keys.append(last)
    return [entries[place] for place in sorted(range(len(entries)), key=keys.__getitem__)]


def _with_ends(items: Sequence[Item]) -> list[Item]:
    """Items with an end where only the start is known: the next start, or sooner, at a slow rate of speech."""
    made, later = list(items), math.inf  # the first start that is later than the item's own
    following = math.inf
    for place in range(len(made) - 1, -1, -1):
        item = made[place]
        start = item.start
        if start is None or not math.isfinite(start) or start < 0:
            continue
        if start < following:
            later, following = following, start
        if item.end is None:
            longest = start + _LEAD + _WORD * len((item.text or "").split())
            end = round(min(later, longest), 6)
            made[place] = replace(item, end=end, meta={**item.meta, "end": ESTIMATED})
    return made


def shown(value: object, most: int = 80) -> str:
    """A value as messages quote it: cut after ``most`` characters.

    Example:
        >>> shown("a" * 100, most=5)
        'aaaaa…'
    """
    written = str(value)
    return written if len(written) <= most else f"{written[:most]}…"


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


def frozen(value: Any) -> Any:
    """A JSON value with tuples in place of lists, as records keep it."""
    if isinstance(value, Mapping):
        return {name: frozen(entry) for name, entry in value.items()}
    return tuple(map(frozen, value)) if isinstance(value, list) else value
