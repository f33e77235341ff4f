"""Word documents (``.docx``): paragraphs as in plain text, or a table with one row per utterance."""

from __future__ import annotations

import io
import re
from datetime import datetime
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError, require
from merc.formats import plain, source, table
from merc.formats.columns import field_of
from merc.formats.xlsx import dateless

_DATE = datetime(2000, 1, 1)
_UNWRITABLE = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # what XML cannot hold


def write(timeline: Timeline, path: Path) -> None:
    """Write one paragraph per utterance, as in plain text: ``[00:00:04] Anna: I can't believe it! [joy .71]``.

    Kept and lost: as in plain text; names are bold. The title of the document is the name of the recording. The dates
    in the file are fixed, so that equal timelines give equal bytes.

    Raises:
        MissingExtra: If python-docx is not installed.
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    document = _docx().Document()
    for stamp, name, said in plain.paragraphs(timeline):
        paragraph = document.add_paragraph(_clean(stamp))
        paragraph.add_run(_clean(name)).bold = True
        paragraph.add_run(_clean(said))
    about = document.core_properties
    about.title, about.author, about.comments = _clean(timeline.recording.name)[:255], "merc", ""
    about.created = about.modified = _DATE
    raw = io.BytesIO()
    document.save(raw)
    path.write_bytes(dateless(raw.getvalue()))


def read(path: Path) -> Conversation:
    """Read a transcript from a Word document.

    The rows of the first table with a header that names text, or start and end, are the utterances, as in CSV. Without
    one the paragraphs, and the rows of tables with a tab between cells, are the lines of a plain text.

    Raises:
        FormatError: If the file is not a Word document, or has no utterance.
        MissingExtra: If python-docx is not installed.
    """
    lines: list[str] = []
    for block in _blocks(path):
        if isinstance(block, str):
            lines.extend(block.split("\n"))
        elif _header(block[0]) and len(block) > 1:
            records = [(number, dict(zip(block[0], row, strict=False))) for number, row in enumerate(block[1:], 2)]
            return table.conversation(path, block[0], records)
        else:
            lines.extend("\t".join(" ".join(cell.split()) for cell in row if cell) for row in block)
    if not any(map(str.strip, lines)):
        raise FormatError(f"{path.name} has no text: expected a transcript; check that the document is complete")
    return plain.conversation(path, "\n".join(lines))


def _blocks(path: Path) -> list[str | list[list[str]]]:
    """The paragraphs of a document, and the rows of its tables, cell by cell."""
    docx = _docx()
    data = source.read_bytes(path)
    source.require_moderate_archive(path, data)
    try:
        return [
            [[cell.text.strip() for cell in row.cells] for row in block.rows] if hasattr(block, "rows") else block.text
            for block in docx.Document(io.BytesIO(data)).iter_inner_content()
        ]
    except Exception as error:
        looks = source.hint(path, data[:200].decode("utf-8", "replace"))
        raise FormatError(f"{path.name} is not a Word document ({source.shown(error, 100)}); {looks}") from error


def _docx() -> Any:
    require("docx", extra="docx", what="Word documents need python-docx", hint=", or save the document as .txt")
    import docx

    return docx


def _clean(text: str) -> str:
    return _UNWRITABLE.sub("\ufffd", source.utf8(text).decode())


def _header(names: list[str]) -> bool:
    known = {field_of(name)[0] for name in names}
    return "text" in known or {"start", "end"} <= known
