"""Parquet: tables of texts, numbers and truth values are written here; tables are read with polars (extra ``corpora``).

The writer needs no library, so that an analysis can write its table where polars, which is as large as a third of a
small installation, is absent. Layout and encodings are those of https://github.com/apache/parquet-format: one row
group, one data page for each column (version 1, PLAIN, gzip), definition levels for unknown values, and metadata in
Thrift's compact protocol.
"""

from __future__ import annotations

import gzip
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from merc.errors import FormatError, require

if TYPE_CHECKING:
    import polars as pl

_MAGIC = b"PAR1"
_CODES: Mapping[type, int] = {bool: 0, float: 5, str: 6}  # BOOLEAN, DOUBLE, BYTE_ARRAY
_OPTIONAL, _UTF8, _PLAIN, _RLE, _GZIP, _DATA_PAGE = 1, 0, 0, 3, 2, 0
_BYTES = 6  # of gzip: strength


def encoded(columns: Mapping[str, type], rows: Sequence[Mapping[str, Any]]) -> bytes:
    """A table as the bytes of a Parquet file.

    Args:
        columns: Names in order, with ``str``, ``float`` or ``bool``.
        rows: Values by column; None and absent ones are null.

    Example:
        >>> encoded({"label": str}, [{"label": "joy"}, {}])[:4]
        b'PAR1'
    """
    file = bytearray(_MAGIC)
    chunks = []
    for name, kind in columns.items():
        start = len(file)
        page = _page([row.get(name) for row in rows], kind)
        file += page.header + page.body
        chunks.append(_chunk(name, kind, page, start, len(rows)))
    size = len(file) - len(_MAGIC)
    group = _struct((1, _LIST, _list(_STRUCT, chunks)), (2, _I64, _int(size)), (3, _I64, _int(len(rows))))
    root = _struct((4, _BINARY, _binary(b"schema")), (5, _I32, _int(len(columns))))
    footer = _struct(
        (1, _I32, _int(1)),
        (2, _LIST, _list(_STRUCT, [root, *(_element(name, kind) for name, kind in columns.items())])),
        (3, _I64, _int(len(rows))),
        (4, _LIST, _list(_STRUCT, [group])),
        (6, _BINARY, _binary(b"merc")),
    )
    return bytes(file + footer + struct.pack("<I", len(footer)) + _MAGIC)


@dataclass(frozen=True, slots=True)
class _Page:
    header: bytes
    body: bytes
    plain: int  # bytes of the body before compression


def _page(cells: Sequence[Any], kind: type) -> _Page:
    """The one data page of a column: which values are known, and these."""
    levels = b"".join(
        _varint(len(list(run)) << 1) + bytes([known]) for known, run in groupby(cell is not None for cell in cells)
    )
    plain = struct.pack("<I", len(levels)) + levels + _values([cell for cell in cells if cell is not None], kind)
    body = gzip.compress(plain, _BYTES, mtime=0)
    about = _struct((1, _I32, _int(len(cells))), (2, _I32, _int(_PLAIN)), (3, _I32, _int(_RLE)), (4, _I32, _int(_RLE)))
    header = _struct(
        (1, _I32, _int(_DATA_PAGE)), (2, _I32, _int(len(plain))), (3, _I32, _int(len(body))), (5, _STRUCT, about)
    )
    return _Page(header, body, len(plain))


def _values(cells: Sequence[Any], kind: type) -> bytes:
    """Known values in the encoding PLAIN."""
    if kind is bool:
        bits = sum(bool(cell) << place for place, cell in enumerate(cells))
        return bits.to_bytes((len(cells) + 7) // 8, "little")
    if kind is float:
        return struct.pack(f"<{len(cells)}d", *cells)
    texts = [cell.encode() for cell in cells]
    return b"".join(struct.pack("<I", len(text)) + text for text in texts)


def _element(name: str, kind: type) -> bytes:
    """A column of the schema."""
    fields = [(1, _I32, _int(_CODES[kind])), (3, _I32, _int(_OPTIONAL)), (4, _BINARY, _binary(name.encode()))]
    if kind is str:
        fields += [(6, _I32, _int(_UTF8)), (10, _STRUCT, _struct((1, _STRUCT, _struct())))]
    return _struct(*fields)


def _chunk(name: str, kind: type, page: _Page, start: int, rows: int) -> bytes:
    """The place of a column, and how it is encoded."""
    about = _struct(
        (1, _I32, _int(_CODES[kind])),
        (2, _LIST, _list(_I32, [_int(_PLAIN), _int(_RLE)])),
        (3, _LIST, _list(_BINARY, [_binary(name.encode())])),
        (4, _I32, _int(_GZIP)),
        (5, _I64, _int(rows)),
        (6, _I64, _int(len(page.header) + page.plain)),
        (7, _I64, _int(len(page.header) + len(page.body))),
        (9, _I64, _int(start)),
    )
    return _struct((2, _I64, _int(start)), (3, _STRUCT, about))


_I32, _I64, _BINARY, _LIST, _STRUCT = 5, 6, 8, 9, 12  # types of Thrift's compact protocol


def _struct(*fields: tuple[int, int, bytes]) -> bytes:
    """Fields (number, type, value) in ascending order; no two follow each other at a distance above 15."""
    before, written = 0, b""
    for number, kind, value in fields:
        written += bytes([(number - before) << 4 | kind]) + value
        before = number
    return written + b"\0"


def _list(kind: int, items: Sequence[bytes]) -> bytes:
    head = bytes([len(items) << 4 | kind]) if len(items) < 15 else bytes([0xF0 | kind]) + _varint(len(items))
    return head + b"".join(items)


def _binary(value: bytes) -> bytes:
    return _varint(len(value)) + value


def _int(number: int) -> bytes:
    """A number of 32 or 64 bits that is not negative."""
    return _varint(number << 1)


def _varint(number: int) -> bytes:
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*written, number])


def read(path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """Read a Parquet table.

    Args:
        path: The file.
        columns: Those that must be there, and are read; None: all.

    Raises:
        MissingExtra: If polars is not installed.
        FormatError: If it is not Parquet, is damaged, or lacks a column.
        OSError: If there is no such file, or it cannot be opened.
    """
    with path.open("rb") as file:
        return parsed(file, path, columns)


def parsed(file: BinaryIO, path: Path, columns: Sequence[str] | None = None) -> pl.DataFrame:
    """The table in an open file or a ``BytesIO``; `path` is for messages. As `read`."""
    require("polars", extra="corpora", what=f"{path.name} is Parquet, and reading it needs polars")
    import polars as pl

    if file.read(len(_MAGIC)) != _MAGIC:
        raise FormatError(f"{path} is not Parquet: it does not begin with 'PAR1'; give a Parquet file")
    try:
        if columns is not None:
            file.seek(0)
            _require_columns(path, pl.read_parquet_schema(file), columns)
        file.seek(0)
        return pl.read_parquet(file, columns=None if columns is None else list(columns))
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise FormatError(f"{path} is damaged Parquet ({reason}); write it again") from error


def _require_columns(path: Path, found: Mapping[str, Any], columns: Sequence[str]) -> None:
    if absent := [name for name in columns if name not in found]:
        raise FormatError(f"{path}: no column {', '.join(absent)}; expected a table with {', '.join(columns)}")
