"""Bodies of requests: how large they may be, and how slowly they may come."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from merc.server.problems import Problem, response
from merc.server.settings import Limits

SLOWEST = 1024
"""Bytes a second that a client must send on average."""
UPLOADS = ("/v1/analyses", "/v1/audio/transcriptions")
"""Routes that take recordings."""
UNREAD, PATIENCE = 64 << 20, 10.0
"""Bytes of a refused request that are read and dropped at the most, and seconds that this may take."""
_CLOSE = {"Connection": "close"}  # what is left of the body is not read


class Bodies:
    """ASGI middleware that limits the body of each request, while it is read.

    Args:
        app: What reads the bodies.
        limits: See `Limits`.
    """

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app, self._limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with a limited body, or refuse one that states a larger one."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = self._limits.upload if scope["path"] in UPLOADS else self._limits.body
        stated = dict(scope["headers"]).get(b"content-length", b"0")
        if stated.isdigit() and int(stated) > most:
            await response(413, _large(most), _CLOSE)(scope, receive, send)
            return
        await self._app(scope, _limited(receive, most, self._limits.stall), send)


class ReadOut:
    """ASGI middleware that reads what is left of the body of a refused request before the refusal is sent.

    A connection that is closed with unread bytes is reset, and many clients then never see why they were refused.

    Args:
        app: What refuses requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http" or not _sends_body(dict(scope["headers"])):
            await self._app(scope, receive, send)
            return
        ended = False

        async def watched() -> Message:
            nonlocal ended
            message = await receive()
            ended = not message.get("more_body", False)
            return message

        async def answered(message: Message) -> None:
            if not ended and message.get("status", 0) >= 400:
                await _drop(watched)
            await send(message)

        await self._app(scope, watched, answered)


def _sends_body(headers: dict[bytes, bytes]) -> bool:
    """Whether a body comes that can be read out: not one that is too long, or that its client holds back."""
    stated = headers.get(b"content-length", b"")
    length = int(stated) if stated.isdigit() else UNREAD * (b"transfer-encoding" in headers)
    return 0 < length <= UNREAD and b"expect" not in headers


async def _drop(receive: Receive) -> None:
    left, more = UNREAD, True
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while more and left > 0:
                message = await receive()
                left -= len(message.get("body", b""))
                more = message.get("more_body", False)


def _limited(receive: Receive, most: int, stall: float) -> Receive:
    began, taken, ended = time.monotonic(), 0, False

    async def limited() -> Message:
        nonlocal taken, ended
        if ended:  # what comes now is the end of the connection, for which a stream may wait for long
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), stall)
        except TimeoutError:
            raise Problem(408, f"nothing came for {stall:g} s: send the request again", _CLOSE) from None
        taken += len(message.get("body", b""))
        ended = not message.get("more_body", False)
        if taken > most:
            raise Problem(413, _large(most), _CLOSE)
        if time.monotonic() - began > stall + taken / SLOWEST:
            raise Problem(408, f"the body comes at less than {SLOWEST} bytes a second: send it faster", _CLOSE)
        return message

    return limited


def _large(most: int) -> str:
    size = f"{most >> 20} MB" if most >= 1 << 20 else f"{most >> 10} kB"
    return f"the request has more than {size}, the most that is taken here: send a shorter or compressed recording"
