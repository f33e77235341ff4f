"""Text files and tables of corpora, read so that whatever is broken is named by its file and row."""

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
    """One row of a table: its position (file and row, for errors) and its cells by column."""

    where: str
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        return self.cells[column]

    def integer(self, column: str) -> int:
        """The cell as a whole number of zero or more; raises FormatError for anything else."""
        if not re.fullmatch(r"[0-9]{1,9}", self.cells[column].strip()):
            raise FormatError(f"{self.where}: {column} '{self.cells[column][:_WIDTH]}'; expected a whole number")
        return int(self.cells[column])

    def number(self, column: str) -> float:
        """The cell as a finite decimal number; raises FormatError for anything else."""
        text = self.cells[column].strip()
        if not re.fullmatch(r"[-+]?[0-9]{1,18}(\.[0-9]{0,18})?([eE][-+]?[0-9]{1,2})?", text):
            raise FormatError(f"{self.where}: {column} '{text[:_WIDTH]}'; expected a number")
        return float(text)


def text_of(path: Path, *, encoding: str = "utf-8-sig", lenient: bool = False) -> str:
    """The whole text of a file.

    With ``lenient`` a byte that is no UTF-8 stands for the character of the same number (0x92 becomes U+0092), so that
    it can still be seen and repaired. Raises InputError when the file cannot be opened, and FormatError naming the
    line of bytes in another encoding or of a NUL.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the name and the permissions") from error
    if b"\0" in data:
        line = data[: data.index(b"\0")].count(b"\n") + 1
        raise FormatError(f"{path}, line {line}: a NUL byte; expected text in {_plain(encoding)}; fetch the file again")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        if not lenient:
            line = data[: error.start].count(b"\n") + 1
            raise FormatError(
                f"{path}, line {line}: byte 0x{data[error.start]:02x} is no {_plain(encoding)}; fetch the file again"
            ) from error
    escaped = data.decode(encoding, "surrogateescape")
    return re.sub("[\udc80-\udcff]", lambda match: chr(ord(match[0]) - 0xDC00), escaped)


def lines_of(path: Path, *, encoding: str = "utf-8-sig") -> Iterator[tuple[str, str]]:
    """The lines of a file that are not blank, each with its place (``file, line N``) in front.

    Only line feeds end a line: a text may hold U+2028 and the like.
    """
    for number, line in enumerate(text_of(path, encoding=encoding).split("\n"), 1):
        if line.strip():
            yield f"{path}, line {number}", line.rstrip("\r")


def table(path: Path, columns: tuple[str, ...], *, encoding: str = "utf-8-sig", lenient: bool = False) -> Iterator[Row]:
    """The rows of a comma-separated file with a header that has at least these columns, in any order.

    Blank rows are skipped. Raises InputError when the file cannot be read, and FormatError naming the row (the header
    is row 1) for missing columns, a row with too few or too many cells, an unclosed quote and an oversized field.
    """
    return parsed(text_of(path, encoding=encoding, lenient=lenient), str(path), columns)


def parsed(
    text: str, name: str, columns: tuple[str, ...], *, delimiter: str = ",", quoted: bool = True
) -> Iterator[Row]:
    """The rows of a table that is already text; ``name`` is the file in errors, ``quoted`` whether "…" is special."""
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
    reader = csv.reader(_physical(text), delimiter=delimiter, quoting=quoting, strict=True)
    header: list[str] | None = None
    number = 0
    while True:
        number += 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise FormatError(f"{name}, row {number}: {error}; fetch the file again") from error
        if cells is None and header is not None:
            return
        if header is None:
            header = cells or []
            if missing := [column for column in columns if column not in header]:
                raise FormatError(f"{name}: no column {', '.join(missing)}; expected {', '.join(columns)}")
        elif cells:
            yield _row(cells, header, f"{name}, row {number}")


def _physical(text: str) -> Iterator[str]:
    """Lines with their ends, cut at line feeds alone; a carriage return by itself is a character of a text."""
    for line in re.findall(r"[^\n]*\n|[^\n]+$", text):
        yield line[:-2] + "\n" if line.endswith("\r\n") else line.replace("\r", " ")


def _row(cells: list[str], header: list[str], where: str) -> Row:
    if len(cells) != len(header):
        raise FormatError(f"{where}: {len(cells)} cells beginning '{cells[0][:_WIDTH]}'; expected {len(header)}")
    return Row(where, dict(zip(header, cells, strict=True)))


def _plain(encoding: str) -> str:
    return {"utf-8-sig": "UTF-8", "utf-8": "UTF-8", "latin-1": "Latin-1"}.get(encoding, encoding)
