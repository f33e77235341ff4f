"""Who may use the server: tokens, and without them only pages and programs of this machine.

A page of another site that the user looks at must not reach a server without tokens: neither by a name that leads to
this machine (DNS rebinding: the Host header is checked), nor by sending a form to it (the Origin header is checked).
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from merc.errors import InputError
from merc.formats.source import shown
from merc.server.problems import response
from merc.server.settings import Settings

COOKIE = "merc_token"
"""Name of the cookie with which a page is known whose media and streams cannot send headers."""
OPEN = ("/v1/about",)
"""Routes under ``/v1`` that need no token."""
_SAFE = ("GET", "HEAD", "OPTIONS")


class Tokens:
    """The tokens of a file, read again when it changes.

    Args:
        path: One token a line, ``TOKEN`` or ``NAME TOKEN``; lines that begin with # are comments.

    Raises:
        InputError: the file cannot be read, or a token has fewer than 16 characters.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._read = path, (0.0, 0)
        self._known: dict[bytes, str] = {}
        self._refresh()

    def name(self, given: str) -> str | None:
        """The name of a token, or the start of its hash; None if it is not valid.

        All tokens are compared, each in constant time, so that the time taken tells nothing.
        """
        self._refresh()
        digest, found = hashlib.sha256(given.encode("utf-8", "surrogateescape")).digest(), None
        for known, name in self._known.items():
            if hmac.compare_digest(known, digest):
                found = name
        return found

    def _refresh(self) -> None:
        try:
            status = self._path.stat()
            if self._read == (status.st_mtime, status.st_size):
                return
            lines = self._path.read_text(encoding="utf-8").splitlines()
        except (OSError, ValueError) as error:
            raise InputError(f"token file {self._path} cannot be read: {error}") from error
        known = {}
        for number, line in enumerate(lines, 1):
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if len(words) > 2 or len(words[-1]) < 16:
                raise InputError(
                    f"{self._path}, line {number}: expected TOKEN or NAME TOKEN, the token of 16 characters or more; "
                    "make one with 'openssl rand -hex 24'"
                )
            digest = hashlib.sha256(words[-1].encode()).digest()
            known[digest] = words[0] if len(words) == 2 else digest.hex()[:8]
        if not known:
            raise InputError(f"token file {self._path} has no tokens: expected one a line")
        self._known, self._read = known, (status.st_mtime, status.st_size)


class Access:
    """ASGI middleware that refuses who may not use the server; who may is ``scope["state"]["who"]``.

    Args:
        app: What is protected.
        settings: See `Settings`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._tokens = Tokens(settings.token_file) if settings.token_file else None
        self._names = {"localhost", settings.host.lower(), socket.gethostname().lower(), *settings.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        refused = self._foreign(scope, headers) or self._unknown(scope, headers)
        if refused is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008, "reason": refused[1][:100]})
        else:
            challenge = {"WWW-Authenticate": 'Bearer realm="merc"'} if refused[0] == 401 else {}
            await response(*refused, challenge)(scope, receive, send)

    def _foreign(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Why a request that a page of another site may have made is refused."""
        host, origin = headers.get("host", ""), headers.get("origin")
        name = _host(host)
        if self._tokens is None and not (name in self._names or _address(name)):
            return 421, f"host is '{shown(host)}', which is not a name of this server: add it with --allow-host"
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and origin is not None and _site(origin) != host.lower():
            return 403, f"origin is '{shown(origin)}': pages of other sites may not change anything here"
        return None

    def _unknown(self, scope: Scope, headers: Headers) -> tuple[int, str] | None:
        """Why a request without a valid token is refused, where one is required."""
        path = scope["path"]
        if self._tokens is None or path in OPEN or not (path.startswith("/v1/") or path == "/metrics"):
            return None
        if (token := given(headers)) is None:
            return 401, "a token is required: send 'Authorization: Bearer TOKEN'"
        if (name := self._tokens.name(token)) is None:
            return 401, "the token is not valid: ask whoever runs the server for one"
        scope.setdefault("state", {})["who"] = name
        return None


def given(headers: Headers) -> str | None:
    """The token of a request, in its Authorization header or the cookie; None if there is none."""
    kind, _, token = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer" and token.strip():
        return token.strip()
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return found.value if found else None


def _host(header: str) -> str:
    """The name in a Host header, in lower case and without the port."""
    try:
        return urlsplit(f"//{header}").hostname or ""
    except ValueError:
        return ""


def _site(origin: str) -> str:
    """Host and port of an Origin header."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _address(name: str) -> bool:
    """Whether a host is an address: no name of another site leads to it."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
