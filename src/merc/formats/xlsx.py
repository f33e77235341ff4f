"""Excel workbooks (``.xlsx``): the table of ``merc.formats.table``, with the labels as a list to choose from."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import datetime
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError, require
from merc.formats import source, table

_SHEET = "utterances"
_LONGEST = 32_767  # characters of a cell
_WIDTHS = {"text": 60, "reason": 30, "note": 30}
_DATE = datetime(2000, 1, 1)
_CODED = re.compile("_x[0-9A-Fa-f]{4}_|[\x00-\x08\x0b-\x1f\ufffe\uffff]")


def write(timeline: Timeline, path: Path) -> None:
    """Write the table as a workbook with one sheet.

    Kept and lost: as in CSV. The label of each row can be chosen from a list. Texts are texts, also those that look
    like formulas. The date in the file is fixed, so that equal timelines give equal bytes.

    Raises:
        FormatError: If a text has more than 32,767 characters.
        MissingExtra: If openpyxl is not installed.
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    excel = _openpyxl()
    book = excel.Workbook()
    sheet, names = book.active, list(table.columns(timeline))
    sheet.title = _SHEET
    for number, row in enumerate([{name: name for name in names}, *table.rows(timeline)], 1):
        for column, name in enumerate(names, 1):
            if (value := row.get(name)) is not None:
                _fill(sheet.cell(number, column), value, path)
    for column, name in enumerate(names, 1):
        sheet.column_dimensions[excel.utils.get_column_letter(column)].width = _WIDTHS.get(name, 13)
    sheet.freeze_panes = "A2"
    if timeline.labels and len(timeline):
        choice = excel.worksheet.datavalidation.DataValidation(
            type="list", formula1=f'"{",".join(timeline.labels)}"', allow_blank=True
        )
        letter = excel.utils.get_column_letter(names.index("label") + 1)
        choice.add(f"{letter}2:{letter}{len(timeline) + 1}")
        sheet.add_data_validation(choice)
    book.properties.creator, book.properties.created = "merc", _DATE
    book.properties.modified = _DATE
    raw = io.BytesIO()
    book.save(raw)
    path.write_bytes(dateless(raw.getvalue()))


def read(path: Path) -> Conversation:
    """Read the first sheet: a header, and one row per utterance, as a table in CSV.

    Raises:
        FormatError: If the file is not a workbook, or its first sheet is not such a table.
        MissingExtra: If openpyxl is not installed.
    """
    excel = _openpyxl()
    data = source.read_bytes(path)
    source.require_moderate_archive(path, data)
    try:
        rows = list(excel.load_workbook(io.BytesIO(data), data_only=True).worksheets[0].iter_rows(values_only=True))
    except Exception as error:
        looks = source.hint(path, data[:200].decode("utf-8", "replace"))
        raise FormatError(f"{path.name} is not an Excel workbook ({source.shown(error, 100)}); {looks}") from error
    if not rows:
        raise FormatError(f"{path.name} has no header row: expected the names of columns in its first sheet")
    names = [str(_decoded(name) or "") for name in rows[0]]
    records = [
        (number, dict(zip(names, map(_decoded, row), strict=True)))
        for number, row in enumerate(rows[1:], 2)
        if any(cell is not None for cell in row)
    ]
    return table.conversation(path, names, records)


def _openpyxl() -> Any:
    require("openpyxl", extra="xlsx", what="Excel workbooks need {}", hint=", or choose csv")
    import openpyxl
    import openpyxl.worksheet.datavalidation

    return openpyxl


def _fill(cell: Any, value: Any, path: Path) -> None:
    """Put a value into a cell; a text stays one, whatever it looks like."""
    if not isinstance(value, str):
        cell.value = value
        return
    text = _CODED.sub(_encoded, source.utf8(value).decode())
    if len(text) > _LONGEST:
        raise FormatError(f"{path.name}: a text has {len(text)} characters, Excel has at most {_LONGEST}; choose csv")
    cell.value = text
    cell.data_type = "s"


def _encoded(match: re.Match[str]) -> str:
    """What a workbook cannot hold, by its code: a control character as ``_x000D_``, and what looks like a code."""
    first, rest = match[0][0], match[0][1:]
    return f"_x{ord(first):04X}_{rest}"


def _decoded(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return re.sub("_x([0-9A-Fa-f]{4})_", lambda match: chr(int(match[1], 16)), value)


def dateless(document: bytes) -> bytes:
    """An Office document with fixed dates of its parts, so that equal contents are equal bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as old, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as new:
        for part in old.infolist():
            content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>2000-01-01T00:00:00Z", old.read(part))
            new.writestr(zipfile.ZipInfo(part.filename, (2000, 1, 1, 0, 0, 0)), content, zipfile.ZIP_DEFLATED)
    return made.getvalue()
