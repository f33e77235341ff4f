"""What a request holds: a form whose files are written to the disk while they arrive, or a JSON object."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from merc.errors import InputError, OutputError
from merc.formats.source import shown
from merc.server.problems import Problem

_PARTS = 60  # of a form
_VALUE = 1 << 16  # bytes of a field that is not a file


@dataclass(frozen=True, slots=True)
class Upload:
    """A file of a form, on the disk."""

    path: Path
    name: str
    """As the client calls it."""

    @property
    def empty(self) -> bool:
        """Whether it has no bytes."""
        return not self.path.stat().st_size


@dataclass(slots=True)
class Form:
    """What a request holds."""

    values: dict[str, Any] = field(default_factory=dict)
    """Fields by name; of a form, texts, and a list of them for a field that was given several times."""
    files: dict[str, Upload] = field(default_factory=dict)


@asynccontextmanager
async def received(request: Request, folder: Path) -> AsyncIterator[Form]:
    """The form or JSON object of a request.

    Args:
        request: Its body is read.
        folder: Where files are written. Those that are not moved elsewhere are removed at the end.

    Yields:
        Fields and files.

    Raises:
        Problem: 415 for another type of content.
        InputError: the body is malformed.
    """
    kind, parameters = parse_options_header(request.headers.get("content-type"))
    form = Form()
    try:
        if kind == b"multipart/form-data":
            await _multipart(request, _Parts(form, folder), parameters.get(b"boundary", b""))
        elif kind == b"application/json":
            form.values = _object(await request.body())
        else:
            raise Problem(
                415,
                f"content type is '{shown(kind.decode('latin-1'))}': expected multipart/form-data or application/json",
            )
        yield form
    finally:
        for upload in form.files.values():
            upload.path.unlink(missing_ok=True)


async def _multipart(request: Request, parts: _Parts, boundary: bytes) -> None:
    try:
        parser = MultipartParser(
            boundary,
            {
                "on_part_begin": parts.begin,
                "on_header_field": parts.header_name,
                "on_header_value": parts.header_value,
                "on_header_end": parts.header_end,
                "on_headers_finished": parts.headers_finished,
                "on_part_data": parts.data,
                "on_part_end": parts.end,
                "on_end": parts.all_read,
            },
        )
        async for chunk in request.stream():
            parser.write(chunk)
        parser.finalize()
    except FormParserError as error:
        raise InputError(f"the form cannot be read: {error}") from error
    except OSError as error:
        raise OutputError(f"the upload cannot be stored: {error.strerror}; remove analyses from the server") from error
    finally:
        parts.close()
    if not parts.complete:
        raise InputError("the form ends before its last boundary: send all of it")


class _Parts:
    """The parts of a form, as a parser comes upon them."""

    def __init__(self, form: Form, folder: Path) -> None:
        self.complete = False
        self._form, self._folder = form, folder
        self._count = 0
        self._headers: dict[bytes, bytes] = {}
        self._header, self._content = (bytearray(), bytearray()), bytearray()
        self._name = ""
        self._file: BinaryIO | None = None

    def begin(self) -> None:
        self._count += 1
        if self._count > _PARTS:
            raise FormParserError(f"it has more than {_PARTS} fields")
        self._headers, self._content, self._file = {}, bytearray(), None

    def header_name(self, data: bytes, start: int, end: int) -> None:
        self._header[0].extend(data[start:end])

    def header_value(self, data: bytes, start: int, end: int) -> None:
        self._header[1].extend(data[start:end])

    def header_end(self) -> None:
        name, value = self._header
        self._headers[bytes(name).lower()] = bytes(value)
        self._header = (bytearray(), bytearray())

    def headers_finished(self) -> None:
        _, options = parse_options_header(self._headers.get(b"content-disposition"))
        self._name = options.get(b"name", b"").decode("utf-8", "replace")
        if not self._name:
            raise FormParserError("a part has no name in its Content-Disposition")
        if b"filename" in options:
            if self._name in self._form.files:
                raise FormParserError(f"it has two files '{shown(self._name)}'")
            handle, path = tempfile.mkstemp(dir=self._folder)
            self._form.files[self._name] = Upload(Path(path), options[b"filename"].decode("utf-8", "replace"))
            self._file = os.fdopen(handle, "wb")

    def data(self, data: bytes, start: int, end: int) -> None:
        if self._file is not None:
            self._file.write(data[start:end])
            return
        self._content.extend(data[start:end])
        if len(self._content) > _VALUE:
            raise FormParserError(f"the field '{shown(self._name)}' has more than {_VALUE >> 10} kB")

    def end(self) -> None:
        if self._file is not None:
            self.close()
            return
        value = self._content.decode("utf-8", "replace")
        known = self._form.values.get(self._name)
        self._form.values[self._name] = value if known is None else [*_listed(known), value]

    def all_read(self) -> None:
        self.complete = True

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _object(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise InputError(f"the body is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise InputError(f"the body is {shown(json.dumps(found), 40)}: expected an object")
    return found
