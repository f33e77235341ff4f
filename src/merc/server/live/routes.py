"""``WS /v1/stream``: the event loop only passes messages on; models and decoders run in threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from threading import Lock
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from merc.errors import InputError, MercError
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.recognizer import Recognizer
from merc.server.live.messages import LARGEST, Resume, Start, Stop, parsed, problem
from merc.server.live.session import Session, Sessions
from merc.server.problems import Problem, status_of
from merc.server.settings import Settings

PATIENCE = 60.0
"""Seconds for which a stream waits for its client, and the end of one can be fetched again."""
_FIRST = 15.0  # seconds in which the first message must come
_ACKNOWLEDGED = 1 << 15  # bytes of input after which the client hears how much has arrived
NORMAL, REFUSED, LATER, REPLACED = 1000, 1008, 1013, 4000
"""Codes with which the server closes a connection."""


class Streams:
    """The streams of a server and the models that they share, which are loaded with the first one.

    Args:
        settings: See `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.sessions = Sessions(settings.limits.streams)
        self.longest = settings.limits.duration
        self._options = AnalyzeOptions(video=False, threads=settings.threads, device=settings.device)
        self._recognizer: Recognizer | None = None
        self._lock = Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, start: Start, who: str | None) -> Session:
        """A new session; raises Problem where there are too many, and MercError for wrong options."""
        with self._lock:
            if len(self.sessions) >= self.sessions.most:
                raise Problem(
                    429, f"{len(self.sessions)} streams are open, of at most {self.sessions.most}: try again later"
                )
            self._recognizer = self._recognizer or Recognizer(self._options)
            session = Session(start, self._recognizer, who, longest=self.longest)
            self.sessions.add(session)
            return session

    def resumed(self, resume: Resume, who: str | None) -> Session:
        """The session to continue; raises Problem where there is none."""
        session = self.sessions.find(resume.session, who)
        if session is None:
            raise Problem(
                404,
                f"stream '{resume.session[:40]}' does not exist, or waited over {PATIENCE:.0f} s: start anew",
            )
        return session

    def close(self) -> None:
        """The server ends: all streams end, without judging what waits."""
        self.sessions.clear()

    def finish(self, session: Session) -> None:
        """Judge what is left, whether or not the connection lasts."""
        self._keep(self._finish(session))

    def leave(self, session: Session, connection: int) -> None:
        """A connection has gone: without another one the session is removed after some time."""
        self._keep(self._expire(session, connection))

    async def _finish(self, session: Session) -> None:
        try:
            await run_in_threadpool(session.finish)
        except MercError as error:
            session.end = problem(status_of(error), str(error))
            session.wake()

    async def _expire(self, session: Session, connection: int) -> None:
        await asyncio.sleep(PATIENCE)
        if session.connection == connection:
            await run_in_threadpool(self.sessions.remove, session)

    def _keep(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def live_router(streams: Streams) -> APIRouter:
    """The route ``/v1/stream``."""
    router = APIRouter(tags=["live"])

    @router.websocket("/v1/stream")
    async def stream(socket: WebSocket) -> None:
        await socket.accept()
        who = socket.scope.get("state", {}).get("who")
        try:
            session, last = await _opened(socket, streams, who)
        except WebSocketDisconnect:
            return
        except (Problem, MercError, TimeoutError) as error:
            await _refused(socket, error)
            return
        await Connection(socket, streams, session).run(last)

    return router


async def _opened(socket: WebSocket, streams: Streams, who: str | None) -> tuple[Session, int]:
    """The session that the first message begins or continues, and the latest event that its client has."""
    async with asyncio.timeout(_FIRST):
        message = await socket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", NORMAL))
    if message.get("text") is None:
        raise InputError('sound came before the first message: expected a control message such as {"type": "start"}')
    control = parsed(message["text"])
    if isinstance(control, Start):
        return await run_in_threadpool(streams.start, control, who), 0
    if isinstance(control, Resume):
        return streams.resumed(control, who), control.last_id
    raise InputError("'stop' came before 'start': send a control message that begins or resumes a stream")


async def _refused(socket: WebSocket, error: Problem | MercError | TimeoutError) -> None:
    if isinstance(error, TimeoutError):
        error = Problem(408, f'no message came in {_FIRST:.0f} s: send {{"type": "start"}} first')
    elif isinstance(error, MercError):
        error = Problem(status_of(error), str(error))
    await _ended(socket, problem(error.status_code, error.detail), LATER if error.status_code == 429 else REFUSED)


async def _ended(socket: WebSocket, message: dict[str, Any], code: int) -> None:
    """Send a last message, unless the client has gone."""
    try:
        await _send(socket, message)
        await socket.close(code, str(message.get("title", message["event"]))[:100])
    except (WebSocketDisconnect, RuntimeError):  # starlette raises either once the connection is closed
        return


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    await socket.send_text(json.dumps(message, ensure_ascii=False))


class Connection:
    """One connection to a session: one task sends what the journal holds, the other takes what comes.

    Nothing piles up for a client that reads slowly: its events stay in the journal until it has read those before.
    """

    def __init__(self, socket: WebSocket, streams: Streams, session: Session) -> None:
        self._socket, self._streams, self._session = socket, streams, session
        self._news = asyncio.Event()
        self._number = self._acknowledged = 0

    async def run(self, last: int) -> None:
        """Serve the connection until one side ends it."""
        self._number, self._acknowledged = await run_in_threadpool(self._session.attach, _waker(self._news))
        ready = {"event": "ready", "session": self._session.id, "received": self._acknowledged}
        taking = asyncio.create_task(self._take())
        sending = asyncio.create_task(self._give(last, ready))
        try:
            await asyncio.wait({taking, sending}, return_when=asyncio.FIRST_COMPLETED)
        finally:  # also where the server ends
            taking.cancel()
            sending.cancel()
            self._streams.leave(self._session, self._number)

    async def _give(self, last: int, first: dict[str, Any]) -> None:
        """Send events as they come, and the end."""
        try:
            await _send(self._socket, first)
            while self._session.connection == self._number:
                self._news.clear()
                ended = self._session.end  # before the events, so that none that comes with it is missed
                for record in self._session.events(last):
                    await _send(self._socket, record)
                    last = record["id"]
                if self._session.received - self._acknowledged >= _ACKNOWLEDGED:
                    self._acknowledged = self._session.received
                    await _send(self._socket, {"event": "received", "bytes": self._acknowledged})
                if ended is not None:
                    await _ended(self._socket, ended, NORMAL if ended["event"] == "end" else REFUSED)
                    return
                await self._news.wait()
            await self._socket.close(REPLACED, "another connection has resumed this stream")
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _take(self) -> None:
        """Take sound and the stop until the client goes."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._taken(message)
            except MercError as error:
                await _ended(self._socket, problem(status_of(error), str(error)), REFUSED)
                return

    async def _taken(self, message: Any) -> None:
        data, text = message.get("bytes"), message.get("text")
        if data is None:
            control = parsed(text or "")
            if not isinstance(control, Stop):
                raise InputError(f'\'{control.type}\' came within a stream: expected sound, or {{"type": "stop"}}')
            self._streams.finish(self._session)
            return
        if len(data) > LARGEST:
            raise InputError(f"a message of {len(data)} bytes: expected at most {LARGEST}; send shorter pieces")
        await run_in_threadpool(self._session.write, data, self._number)
        self._news.set()


def _waker(news: asyncio.Event) -> Callable[[], None]:
    """Sets an event of this loop from any thread, as long as the loop runs."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(news.set)

    return wake
