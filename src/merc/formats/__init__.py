"""A timeline to a file, and a file to a conversation: one module a format, found by name or by file extension.

>>> sorted(WRITERS)
['csv', 'eaf', 'html', 'json', 'parquet', 'rttm', 'srt', 'textgrid', 'vtt']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from merc.cache import replacing
from merc.conversation import Conversation, Timeline
from merc.registry import Registry

Writer = Callable[[Timeline, Path], None]
Reader = Callable[[Path], Timeline | Conversation]

WRITERS: Registry[Writer] = Registry(
    "format",
    {
        "json": "merc.formats.native:write",
        "csv": "merc.formats.table:write_csv",
        "parquet": "merc.formats.table:write_parquet",
        "srt": "merc.formats.srt:write",
        "vtt": "merc.formats.vtt:write",
        "eaf": "merc.formats.elan:write",
        "textgrid": "merc.formats.praat:write",
        "rttm": "merc.formats.rttm:write",
        "html": "merc.report:write",
    },
)
"""Formats that a timeline can be written in, by name; the page lives in a higher room and is loaded when asked for."""

READERS: Registry[Reader] = Registry(
    "transcript format",
    {
        "json": "merc.formats.native:read",
        "csv": "merc.formats.table:read_csv",
        "tsv": "merc.formats.table:read_csv",
        "parquet": "merc.formats.table:read_parquet",
        "srt": "merc.formats.srt:read",
        "vtt": "merc.formats.vtt:read",
        "eaf": "merc.formats.elan:read",
        "textgrid": "merc.formats.praat:read",
        "rttm": "merc.formats.rttm:read",
        "txt": "merc.formats.plain:read",
    },
)
"""Formats that a transcript can be read from, by file extension without the dot, in lower case."""

FILE_NAMES: Mapping[str, str] = MappingProxyType(
    {name: {"html": "report.html", "textgrid": "timeline.TextGrid"}.get(name, f"timeline.{name}") for name in WRITERS}
)
"""The name of the file that ``save`` writes for each format."""


def save(timeline: Timeline, folder: str | Path, *, formats: Sequence[str] | None = None) -> list[Path]:
    """Write a timeline into a folder, one file a format (default: all), and return the paths in that order.

    Format names may be in any case; a name given twice is written once. Every name is looked up before anything is
    written, and every file is complete or absent. Raises UnknownName for a format that does not exist, and
    OutputError where the folder cannot be written or the disk is full.
    """
    wanted = tuple(WRITERS) if formats is None else (formats,) if isinstance(formats, str) else tuple(formats)
    chosen = {name.lower(): WRITERS[name.lower()] for name in wanted}
    return [_write(writer, timeline, Path(folder) / FILE_NAMES[name]) for name, writer in chosen.items()]


def write(timeline: Timeline, path: str | Path) -> Path:
    """Write a timeline to a file in the format of its extension (``.json``, ``.srt``, …) and return the path.

    Raises UnknownName for an extension that no writer has, OutputError where the file cannot be written.
    """
    target = Path(path)
    return _write(WRITERS[_extension(target)], timeline, target)


def read(path: str | Path) -> Timeline | Conversation:
    """Read a transcript, or a timeline that merc wrote as JSON, by the extension of the file.

    Raises UnknownName for an extension that no reader has, InputError for a file that cannot be opened, and
    FormatError for one that does not follow its format. What was guessed or could not be used stands in
    ``Conversation.meta["notes"]``, a tuple of sentences.
    """
    source = Path(path)
    return READERS[_extension(source)](source)


def _extension(path: Path) -> str:
    return {"htm": "html", "tab": "tsv", "text": "txt"}.get(name := path.suffix[1:].lower(), name)


def _write(writer: Writer, timeline: Timeline, target: Path) -> Path:
    with replacing(target) as temporary:
        writer(timeline, temporary)
    return target
