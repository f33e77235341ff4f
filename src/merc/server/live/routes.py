"""``WS /v1/stream``: the event loop only passes messages on; models and decoders run in threads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect
from starlette.concurrency import run_in_threadpool

from merc.errors import InputError, MercError
from merc.pipeline.options import AnalyzeOptions
from merc.pipeline.recognizer import Recognizer
from merc.server.analyses import POLL
from merc.server.live.messages import LARGEST, Resume, Start, Stop, parsed, problem
from merc.server.live.offline import Offline
from merc.server.live.session import Session, Sessions
from merc.server.problems import Problem, status_of, unexpected
from merc.server.settings import Settings

PATIENCE = 60.0
"""Seconds for which a stream waits for its client, and the end of one can be fetched again."""
STALL = 30.0
"""Seconds in which a client must have read so much that it can be sent the next message."""
_FIRST = 15.0  # seconds in which the first message must come
_ACKNOWLEDGED = 1 << 15  # bytes of input after which the client hears how much has arrived
NORMAL, REFUSED, LATER, REPLACED = 1000, 1008, 1013, 4000
"""Codes with which the server closes a connection."""


class Streams:
    """The streams of a server and the models that they share, which are loaded with the first one.

    Args:
        settings: See `Settings`.
        offline: Analyses streams again that have ended.
    """

    def __init__(self, settings: Settings, offline: Offline) -> None:
        self._offline = offline
        self.sessions = Sessions(settings.limits.streams)
        self.longest = settings.limits.duration
        self._settings = settings
        self._options = AnalyzeOptions(
            video=False, threads=settings.threads, device=settings.device, voices=settings.voices
        )
        self._recognizer: Recognizer | None = None
        self._lock = Lock()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, start: Start, who: str | None) -> Session:
        """A new session; raises Problem where too many are open or wait, and MercError for wrong options."""
        with self._lock:
            if len(self.sessions) >= self.sessions.most:
                raise Problem(
                    429, f"{len(self.sessions)} streams are open, of at most {self.sessions.most}: try again later"
                )
            self._settings.voices_for(start.options.voices)
            system = self._settings.system_for(start.options.system)
            self._recognizer = self._recognizer or Recognizer(self._options)
            sharing = self._recognizer.sharing(replace(self._options, system=system))
            sound = self._offline.place() if start.then_analyze else None
            session = Session(start, sharing, who, longest=self.longest, sound=sound)
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
            if await run_in_threadpool(session.finish) and session.sound is not None:
                await self._analyse(session, session.sound)
        except Exception as error:  # noqa: BLE001 - whatever it is, the client waits for the end
            session.end = _refusal(error)
            session.wake()

    async def _analyse(self, session: Session, sound: Path) -> None:
        """Queue the offline analysis, and wait for it as long as somebody may fetch the end."""
        session.analysis = id_ = await run_in_threadpool(self._offline.queue, sound, session.options)
        session.wake()
        while session in self.sessions and session.end is None:
            if (timeline := await run_in_threadpool(self._offline.result, id_)) is not None:
                session.end = {"event": "end", "timeline": timeline}
                session.wake()
            await asyncio.sleep(POLL)

    async def _expire(self, session: Session, connection: int) -> None:
        await asyncio.sleep(PATIENCE)
        if session.connection == connection:
            await run_in_threadpool(self.sessions.remove, session)
            if session.analysis is not None and session.end is not None:
                await run_in_threadpool(self._offline.remove, session.analysis)

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
        except Exception as error:  # noqa: BLE001 - whatever it is, the client hears of it
            message = _refusal(error)
            await _ended(socket, message, LATER if message["status"] == 429 else REFUSED)
            return
        await Connection(socket, streams, session).run(last)

    @router.get("/v1/stream", include_in_schema=False)
    def plain() -> None:
        raise Problem(
            426, "/v1/stream is a WebSocket: connect by ws://, see docs/reference/stream.md", {"Upgrade": "websocket"}
        )

    return router


async def _opened(socket: WebSocket, streams: Streams, who: str | None) -> tuple[Session, int]:
    """The session that the first message begins or continues, and the latest event that its client has."""
    try:
        message = await asyncio.wait_for(socket.receive(), _FIRST)
    except TimeoutError:
        raise Problem(408, f'no message came in {_FIRST:.0f} s: send {{"type": "start"}} first') from None
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


def _refusal(error: Exception) -> dict[str, Any]:
    """What a client is sent because of an error."""
    if isinstance(error, MercError):
        error = Problem(status_of(error), str(error))
    if not isinstance(error, Problem):
        error = unexpected(error, "WS /v1/stream")
    return problem(error.status_code, error.detail)


async def _ended(socket: WebSocket, message: dict[str, Any], code: int) -> None:
    """Send a last message, unless the client has gone or does not read."""
    try:
        await _send(socket, message)
        async with asyncio.timeout(STALL):
            await socket.close(code, str(message.get("title", message["event"]))[:100])
    except (WebSocketDisconnect, RuntimeError, TimeoutError):  # starlette raises either once the connection is closed
        return


async def _send(socket: WebSocket, message: dict[str, Any]) -> None:
    """Send a message; raises TimeoutError if the client does not read those before it."""
    async with asyncio.timeout(STALL):
        await socket.send_text(json.dumps(message, ensure_ascii=False))


class Connection:
    """One connection to a session: one task sends what the journal holds, the other takes what comes.

    Nothing piles up for a client that reads slowly: its events stay in the journal until it has read those before. One
    that does not read at all is disconnected.
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
            await self._send_events(last, first)
        except TimeoutError:
            why = f"nothing was read for {STALL:.0f} s: resume the stream, and read what it sends"
            await _ended(self._socket, problem(408, why), REFUSED)
        except (WebSocketDisconnect, RuntimeError):
            return

    async def _send_events(self, last: int, first: dict[str, Any]) -> None:
        await _send(self._socket, first)
        queued = False  # whether the client knows of the offline analysis
        while self._session.connection == self._number:
            self._news.clear()
            ended = self._session.end  # before the events, so that none that comes with it is missed
            for record in self._session.events(last):
                await _send(self._socket, record)
                last = record["id"]
            if self._session.received - self._acknowledged >= _ACKNOWLEDGED:
                self._acknowledged = self._session.received
                await _send(self._socket, {"event": "received", "bytes": self._acknowledged})
            if self._session.analysis is not None and not queued:
                queued = True
                await _send(self._socket, {"event": "analysis", "analysis": self._session.analysis})
            if ended is not None:
                await _ended(self._socket, ended, NORMAL if ended["event"] == "end" else REFUSED)
                return
            await self._news.wait()
        async with asyncio.timeout(STALL):
            await self._socket.close(REPLACED, "another connection has resumed this stream")

    async def _take(self) -> None:
        """Take sound and the stop until the client goes."""
        while True:
            message = await self._socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            try:
                await self._taken(message)
            except Exception as error:  # noqa: BLE001 - whatever it is, the client hears of it
                await _ended(self._socket, _refusal(error), REFUSED)
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
