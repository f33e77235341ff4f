"""Download of one file over HTTP by the standard library: resumed where it was cut, checked by its hash.

Proxies are those of the environment (``HTTPS_PROXY``, ``HTTP_PROXY``, ``NO_PROXY``), or the one given to ``proxied``.
"""

from __future__ import annotations

import base64
import http.client
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

from merc.cache import file_hash
from merc.errors import InputError, WeightError

ATTEMPTS = 5
"""Connections in a row that may give nothing before a download is given up."""

PAUSE = 1.0
"""Seconds before a second connection; doubled for each further one that gives nothing."""

TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""

_CHUNK = 1 << 18
_CUT = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
_BUSY = (408, 425, 429, 500, 502, 503, 504)
_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy")


def download(url: str, target: Path, sha256: str, *, on_bytes: Callable[[int], None] | None = None) -> None:
    """Download a file; a part of it that an earlier call left beside the target is kept.

    Args:
        url: ``http``, ``https`` or ``file``; a name and password in it are sent as basic authentication.
        target: The file to write; its folder exists.
        sha256: What it must have, 64 hex digits.
        on_bytes: Called with the bytes that are there so far.

    Raises:
        WeightError: The server refuses it, the connection is cut again and again, or the file has another hash.
    """
    if target.exists() and file_hash(target) == sha256:
        return
    part = target.with_name(f"{target.name}.part")
    resumed = part.exists()
    if resumed and file_hash(part) == sha256:  # an earlier call ended between the last byte and the name
        part.replace(target)
        return
    _complete(url, part, on_bytes or (lambda seen: None))
    if resumed and file_hash(part) != sha256:  # the part may have been of another file
        part.unlink()
        _complete(url, part, on_bytes or (lambda seen: None))
    if (actual := file_hash(part)) != sha256:
        part.unlink()
        raise WeightError(
            f"{shown(url)} has SHA-256 {actual[:12]}…, expected {sha256[:12]}…; it was removed: try another source"
        )
    part.replace(target)


def read(url: str, *, accept: str = "*/*") -> tuple[bytes, str]:
    """A small document: its bytes and its content type.

    Args:
        url: As for `download`.
        accept: Content types for the header Accept.

    Raises:
        WeightError: It cannot be read.
    """
    fruitless = 0
    while True:
        try:
            with _open(url, {"Accept": accept}) as answer:
                return _whole(answer), str(answer.headers.get("Content-Type", ""))
        except _CUT as error:
            fruitless += 1
            _pause(url, error, fruitless)


@contextmanager
def proxied(proxy: str | None) -> Iterator[None]:
    """Send requests through a proxy, those of huggingface_hub too; None: the proxies of the environment.

    Raises:
        InputError: It is not an address.
    """
    if proxy is None:
        yield
        return
    if not urlsplit(proxy).hostname or "://" not in proxy:
        raise InputError(f"proxy '{proxy}': expected an address such as http://proxy.example.org:3128")
    before = {name: os.environ.get(name) for name in _VARIABLES}
    os.environ.update(dict.fromkeys(_VARIABLES, proxy))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def shown(url: str) -> str:
    """An address as messages give it: without name and password.

    Example:
        >>> shown("https://me:secret@example.org/simple/")
        'https://example.org/simple/'
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _complete(url: str, part: Path, report: Callable[[int], None]) -> None:
    """Connect until the part is the whole file."""
    fruitless = 0
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            _continue(url, part, before, report)
            return
        except _CUT as error:
            if before and isinstance(error, urllib.error.HTTPError) and error.code == 416:
                part.unlink()  # more than the file has: a part of another one
                continue
            gained = part.exists() and part.stat().st_size > before
            fruitless = 1 if gained else fruitless + 1
            _pause(url, error, fruitless)


def _continue(url: str, part: Path, start: int, report: Callable[[int], None]) -> None:
    """Add what one connection gives to the part; raises one of ``_CUT`` where that is not all."""
    with _open(url, {"Range": f"bytes={start}-"} if start else {}) as answer:
        if start and not str(answer.headers.get("Content-Range", "")).startswith(f"bytes {start}-"):
            start = 0  # the server sends the whole file
        with part.open("ab" if start else "wb") as file:
            seen, length = 0, answer.headers.get("Content-Length")
            while piece := answer.read(_CHUNK):
                file.write(piece)
                seen += len(piece)
                report(start + seen)
    if length is not None and seen < int(length):
        raise ConnectionError(f"cut after {start + seen} bytes")


def _whole(answer: Any) -> bytes:
    content, length = bytes(answer.read()), answer.headers.get("Content-Length")
    if length is not None and len(content) < int(length):
        raise ConnectionError(f"cut after {len(content)} bytes")
    return content


def _open(url: str, headers: dict[str, str]) -> Any:
    parts = urlsplit(url)
    headers = {"User-Agent": "merc", "Accept-Encoding": "identity", **headers}
    if parts.username:
        login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = f"Basic {base64.b64encode(login.encode()).decode()}"
    opener = urllib.request.build_opener()  # reads the proxies now: that of urlopen keeps those of its first call
    return opener.open(urllib.request.Request(shown(url), headers=headers), timeout=TIMEOUT)


def _pause(url: str, error: Exception, fruitless: int) -> None:
    """Wait before the next connection; raises WeightError where there is no use in one."""
    if isinstance(error, urllib.error.HTTPError) and error.code not in _BUSY:
        raise WeightError(f"{shown(url)}: HTTP {error.code} {error.reason}; check the address and who may read it")
    if fruitless >= ATTEMPTS:
        reason = getattr(error, "reason", None) or error
        raise WeightError(
            f"{shown(url)}: {reason} ({ATTEMPTS} attempts); check the network and the proxy (HTTPS_PROXY, --proxy); "
            "the same command continues where this one ended"
        )
    time.sleep(PAUSE * 2 ** (fruitless - 1))
