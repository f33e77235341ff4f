"""Reading transcripts and writing timelines: one module per format, found by name or file extension.

>>> sorted(WRITERS)
['csv', 'docx', 'eaf', 'html', 'json', 'parquet', 'rttm', 'srt', 'textgrid', 'txt', 'vtt', 'xlsx']
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.cache import replacing
from merc.conversation import Conversation, Timeline
from merc.errors import FormatError, InputError
from merc.formats.transcript import as_timeline
from merc.plugins import Plugins
from merc.registry import Registry

Writer = Callable[[Timeline, Path], None]
Reader = Callable[[Path], Timeline | Conversation]


def _plugged(name: str, module: Any) -> Any:
    """The module of a plug-in, which has ``write(timeline, path)``, ``read(path)`` or both; raises InputError."""
    both = [getattr(module, attribute, None) for attribute in ("write", "read")]
    if not any(both) or not all(one is None or callable(one) for one in both):
        raise InputError("expected a module with a function write(timeline, path), read(path), or both")
    return module


def _plugged_writer(name: str, module: Any) -> Writer | None:
    return getattr(_plugged(name, module), "write", None)


def _plugged_reader(name: str, module: Any) -> Reader | None:
    return getattr(_plugged(name, module), "read", None)


_ELSEWHERE = ("speakers", "svg", "pdf", "png", "audformat", "tsv")
"""Names that ``merc export`` and the readers have beside those of ``WRITERS``."""

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
        "txt": "merc.formats.plain:write",
        "xlsx": "merc.formats.xlsx:write",
        "docx": "merc.formats.docx:write",
        "html": "merc.report:write",
    },
    Plugins("merc.formats", _plugged_writer, _ELSEWHERE),
)
"""Output formats by name."""

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
        "xlsx": "merc.formats.xlsx:read",
        "docx": "merc.formats.docx:read",
    },
    Plugins("merc.formats", _plugged_reader, (*_ELSEWHERE, "html")),
)
"""Input formats by file extension, in lower case, without the dot."""

FILE_NAMES: Mapping[str, str] = MappingProxyType(
    {
        name: {"html": "report.html", "textgrid": "timeline.TextGrid"}.get(name, f"timeline.{name}")
        for name in WRITERS.own
    }
)
"""File name that ``save`` uses, by format of merc's own; see `file_name` for all."""

BY_NAME_ONLY = ("txt", "xlsx", "docx")
"""Formats that ``save`` writes only when they are named: they hold what others hold, and two of them need an extra.
Those of plug-ins are written only when they are named too."""

_DOCUMENTS = ("doc", "odt", "rtf", "pdf", "pages")


def save(timeline: Timeline, folder: str | Path, *, formats: Sequence[str] | None = None) -> list[Path]:
    """Write a timeline into a folder, one file per format.

    All names are checked before the first file is written. Files are written atomically, and their hashes are kept in
    ``.written.json``, so that what a person changes there is not overwritten.

    Args:
        timeline: The result of an analysis.
        folder: Created if it does not exist.
        formats: Names of formats in upper or lower case (default: merc's own but ``BY_NAME_ONLY``); duplicates are
            ignored.

    Returns:
        The paths of the files, in the order of ``formats``.

    Raises:
        UnknownName: If a format does not exist.
        InputError: If a person made or changed one of the files.
        OutputError: If the folder is not writable or the disk is full.
    """
    from merc.formats import written

    return written.save(timeline, Path(folder), files(formats))


def files(formats: Sequence[str] | None = None) -> dict[str, Writer]:
    """Writers by the name of the file that ``save`` writes.

    Args:
        formats: Names of formats in upper or lower case (default: merc's own but ``BY_NAME_ONLY``).

    Raises:
        UnknownName: If a format does not exist.

    Example:
        >>> list(files(["srt", "TextGrid"]))
        ['timeline.srt', 'timeline.TextGrid']
    """
    usual = tuple(name for name in FILE_NAMES if name not in BY_NAME_ONLY)
    wanted = usual if formats is None else (formats,) if isinstance(formats, str) else tuple(formats)
    chosen = {name.lower(): WRITERS[name.lower()] for name in wanted}
    return {file_name(name): writer for name, writer in chosen.items()}


def file_name(name: str) -> str:
    """The name of the file that ``save`` writes of a format; of a plug-in its own name is the extension.

    Example:
        >>> file_name("textgrid"), file_name("toy")
        ('timeline.TextGrid', 'timeline.toy')
    """
    return FILE_NAMES.get(name, f"timeline.{name}")


def write(timeline: Timeline | Conversation, path: str | Path) -> Path:
    """Write a timeline or a transcript to a file; the format follows from the extension.

    Args:
        timeline: The result of an analysis, or a transcript. Of a timeline with edits, JSON holds both layers; other
            formats hold the predicted one (give ``timeline.corrected`` for the other).
        path: The file, such as ``talk.srt``; the extensions are the names in ``WRITERS``.

    Returns:
        The path of the file.

    Raises:
        UnknownName: If there is no format with this extension.
        InputError: If a transcript lacks what the format needs, such as times.
        OutputError: If the file cannot be written.

    Example:
        >>> import tempfile
        >>> from merc import Prediction, Segment, Timeline, Utterance
        >>> from merc.conversation import Recording
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> joy = Prediction({"joy": 0.75, "neutral": 0.25}, "joy", 0.75, abstained=False)
        >>> timeline = Timeline(recording, (Utterance("u1", "Ann", "How nice!", Segment(0.5, 1.5)),), (joy,))
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     print(write(timeline, f"{folder}/talk.srt").read_text())
        1
        00:00:00,500 --> 00:00:01,500
        Ann: How nice! [joy .75]
        <BLANKLINE>
    """
    target = Path(path)
    name = _extension(target)
    made = as_timeline(timeline, name) if isinstance(timeline, Conversation) else timeline
    return _write(WRITERS[name], made, target)


def read(path: str | Path) -> Timeline | Conversation:
    """Read a transcript, or a timeline that merc wrote as JSON; the format follows from the extension.

    Args:
        path: The file, such as ``talk.srt``; the extensions are the names in ``READERS``.

    Returns:
        A timeline if the file is a ``timeline.json``, else a conversation. ``Conversation.meta["notes"]`` is a tuple
        of sentences on what was guessed or ignored.

    Raises:
        UnknownName: If there is no format with this extension.
        InputError: If the file cannot be opened.
        FormatError: If the file is malformed.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "talk.txt")
        ...     _ = path.write_text("Ann: How nice!\\nBen: Is it?\\n")
        ...     talk = read(path)
        >>> [(one.speaker, one.text) for one in talk]
        [('Ann', 'How nice!'), ('Ben', 'Is it?')]
    """
    source = Path(path)
    name = _extension(source)
    if name in _DOCUMENTS:
        raise FormatError(f"{source.name} is a text document that merc does not read: save it as .docx or .txt")
    return READERS[name](source)


def _extension(path: Path) -> str:
    return {"htm": "html", "tab": "tsv", "text": "txt"}.get(name := path.suffix[1:].lower(), name)


def _write(writer: Writer, timeline: Timeline, target: Path) -> Path:
    with replacing(target) as temporary:
        writer(timeline, temporary)
    return target
