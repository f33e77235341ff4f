"""Text files and tables of corpora; errors name file and row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merc.errors import FormatError, InputError

_WIDTH = 60  # characters of a broken row that an error quotes


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table.

    Args:
        where: File and row, for messages.
        cells: Cells by column.
    """

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def integer(self, column: str) -> int:
        """A cell as a non-negative integer.

        Raises:
            FormatError: If it is anything else.
        """
        if not re.fullmatch(r"[0-9]{1,9}", self.cells[column].strip()):
            raise FormatError(f"{self.where}: {column} '{self.cells[column][:_WIDTH]}'; expected a whole number")
        return int(self.cells[column])

    def number(self, column: str) -> float:
        """A cell as a finite number.

        Raises:
            FormatError: If it is anything else.
        """
        text = self.cells[column].strip()
        if not re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][-+]?[0-9]{1,2})?", text):
            raise FormatError(f"{self.where}: {column} '{text[:_WIDTH]}'; expected a number")
        return float(text)


def text_of(path: Path, *, encoding: str = "utf-8-sig", lenient: bool = False) -> str:
    """Read a text file.

    Args:
        path: The file.
        encoding: Expected encoding.
        lenient: Decode a byte that is invalid in UTF-8 as the character of the same number (0x92 becomes U+0092), so
            that it can be repaired later.

    Raises:
        InputError: If the file cannot be opened.
        FormatError: If it has invalid bytes or a NUL; the message names the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the name and the permissions") from error
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise FormatError(
            f"{path}, line {line}: a NUL byte; expected text in {_plain(encoding)}; download the file again"
        )
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if not lenient:
            line = data[: error.start].count(b"\n") + 1
            raise FormatError(
                f"{path}, line {line}: byte 0x{data[error.start]:02x} is not {_plain(encoding)}; "
                "download the file again"
            ) from error
    escaped = data.decode(encoding, "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda match: chr(ord(match[0]) - 0xDC00), escaped)


def lines_of(path: Path, *, encoding: str = "utf-8-sig") -> Iterator[tuple[str, str]]:
    """Non-blank lines of a file.

    Only line feeds end a line, because a text may contain U+2028 and similar characters.

    Yields:
        Pairs of position (``file, line N``) and line.
    """
    for number, line in enumerate(text_of(path, encoding=encoding).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.rstrip("\r")


def table(path: Path, columns: tuple[str, ...], *, encoding: str = "utf-8-sig", lenient: bool = False) -> Iterator[Row]:
    r"""Rows of a comma-separated file with a header; blank rows are skipped.

    Args:
        path: The file.
        columns: Required columns, in any order.
        encoding: Expected encoding.
        lenient: See ``text_of``.

    Yields:
        The rows in order, each with its place for messages.

    Raises:
        InputError: If the file cannot be read.
        FormatError: If a column is missing or a row is malformed; the message names the row (the header is row 1).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = (path := Path(folder, "talk.csv")).write_text("text,label\nHello.,joy\n")
        ...     [row["label"] for row in table(path, ("text", "label"))]
        ['joy']
    """
    return parsed(text_of(path, encoding=encoding, lenient=lenient), str(path), columns)


def parsed(
    text: str, name: str, columns: tuple[str, ...], *, delimiter: str = ",", quoted: bool = True
) -> Iterator[Row]:
    """Rows of a table in a string.

    Args:
        text: The table with its header.
        name: Name of the file, for messages.
        columns: Required columns, in any order.
        delimiter: Separator of cells.
        quoted: Whether quotation marks are special.

    Raises:
        FormatError: As ``table``.
    """
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(_physical(text), delimiter=delimiter, quoting=quoting, strict=True)
    number, header = 1, _cells(reader, f"{name}, row 1") or []
    if missing := [column for column in columns if column not in header]:
        raise FormatError(
            f"{name}: required column {', '.join(missing)} not found (columns: {', '.join(header) or 'none'}); "
            f"expected {', '.join(columns)}"
        )
    while (cells := _cells(reader, f"{name}, row {number + 1}")) is not None:
        number += 1
        if cells:
            yield _row(cells, header, f"{name}, row {number}")


def _cells(reader: Iterator[list[str]], where: str) -> list[str] | None:
    """Cells of the next row, empty for a blank one; None at the end."""
    try:
        return next(reader, None)
    except csv.Error as error:
        raise FormatError(f"{where}: {error}; expected a complete table; download the file again") from error


def _physical(text: str) -> Iterator[str]:
    """Lines including their ends, split at line feeds only; a single carriage return is part of a text."""
    for line in re.findall(r"[^\n]*\n|[^\n]+$", text):
        yield line[:-2] + "\n" if line.endswith("\r\n") else line.replace("\r", " ")


def _row(cells: list[str], header: list[str], where: str) -> Row:
    if len(cells) != len(header):
        raise FormatError(f"{where}: {len(cells)} cells beginning '{cells[0][:_WIDTH]}'; expected {len(header)}")
    return Row(where, dict(zip(header, cells, strict=True)))


def _plain(encoding: str) -> str:
    return {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "latin-1": "Latin-1"}.get(encoding, encoding)
