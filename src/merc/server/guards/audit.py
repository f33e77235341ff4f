"""The audit log: who asked for what, when and for which purpose; never what was said, nor the name of a file."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from merc.errors import InputError


class Audit:
    """ASGI middleware that appends a line of JSON for each request to the API.

    Args:
        app: What answers.
        path: The log.
        purpose: Why recordings are analysed here.

    Raises:
        InputError: the log cannot be written.
    """

    def __init__(self, app: ASGIApp, path: Path, purpose: str) -> None:
        self._app, self._purpose = app, purpose
        try:
            self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        except OSError as error:
            raise InputError(f"audit log {path} cannot be written: {error.strerror}; give another --data") from error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and write down how it ended."""
        if scope["type"] not in ("http", "websocket") or not scope["path"].startswith("/v1/"):
            await self._app(scope, receive, send)
            return
        status = 0

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            elif message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.close":
                status = message.get("code", 1000)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            os.write(self._file, self._line(scope, status))

    def _line(self, scope: Scope, status: int) -> bytes:
        state: dict[str, Any] = scope.get("state", {})
        entry = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": state.get("who"),
            "method": scope.get("method", "WEBSOCKET"),
            "route": getattr(scope.get("route"), "path", None),
            "id": state.get("id") or scope.get("path_params", {}).get("id"),
            "status": status,
            "purpose": self._purpose,
        }
        return json.dumps(entry, ensure_ascii=False).encode() + b"\n"
