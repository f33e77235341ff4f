"""A stream that outlives its connection: it takes bytes, keeps its events, and waits for its client for some time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Lock, Thread
from typing import Any

from merc.errors import InputError, MercError
from merc.formats.native import document
from merc.media.incoming import PcmDecoder, Pipe, decoded
from merc.media.samples import Float
from merc.pipeline.live.recording import Recording
from merc.pipeline.recognizer import Recognizer
from merc.server.live.messages import Start


class Session:
    """One stream of a client.

    Args:
        start: What the client wants.
        recognizer: Shares its models with the stream.
        who: Name of the token; only the same one can resume.
        longest: Seconds of sound that are accepted.
        sound: Where the sound is kept for the offline analysis, which then gives the end; None: there is none.

    Raises:
        MercError: the options are wrong, or a weight is missing.
    """

    def __init__(
        self, start: Start, recognizer: Recognizer, who: str | None, *, longest: float, sound: Path | None = None
    ) -> None:
        self.id, self.who = secrets.token_urlsafe(18), who
        self.received = 0  # bytes of input
        self.end: dict[str, Any] | None = None
        self.analysis: str | None = None  # id of the offline analysis
        self.connection = 0  # number of the latest one
        self.wake: Callable[[], None] = lambda: None
        self.options, self.sound = start.options, sound
        self._longest = longest
        self._resources, self._lock, self._over = ExitStack(), Lock(), False
        sharing = recognizer.sharing(start.analysis(recognizer.options))
        pcm = start.pcm
        self.stream = self._resources.enter_context(sharing.open_stream(lambda _: self.wake()))
        self._record = self._resources.enter_context(Recording(sound)) if sound else None
        self._decoder = PcmDecoder(pcm) if pcm else None
        self._pipe = Pipe()
        self._failure: MercError | None = None
        self._reader = None if pcm else Thread(target=self._read, name="merc-container", daemon=True)
        if self._reader is not None:
            self._reader.start()

    def attach(self, wake: Callable[[], None]) -> tuple[int, int]:
        """A connection takes the session over, once what the former one is writing has been taken.

        Args:
            wake: Called from any thread when there is something to send.

        Returns:
            Its number, and the bytes that had been received by then: its client continues behind them.
        """
        with self._lock:
            self.connection += 1
            former, self.wake = self.wake, wake
            former()
            return self.connection, self.received

    def write(self, data: bytes, connection: int) -> None:
        """Take bytes; waits where the models are too far behind.

        Args:
            data: The next part of the input.
            connection: Which one brings it; bytes of a former one are dropped, as its successor sends them again.

        Raises:
            InputError: the stream is too long, has ended or cannot be decoded.
            MercError: what stopped the analysis.
        """
        with self._lock:
            if connection != self.connection:
                return
            if self._over:
                raise InputError("the stream has ended: start another one")
            if self.stream.heard > self._longest:
                raise InputError(f"the stream is longer than {self._longest:.0f} s: start another one")
            if self._failure is not None:
                raise self._failure
            if self._decoder is not None:
                self._feed(self._decoder(data))
            else:
                self._pipe.write(data)
            self.received += len(data)

    def finish(self) -> bool:
        """No more bytes come: all that was said is judged; without an offline analysis `end` is the last message then.

        Returns:
            Whether this ended it; False if it was ended before.

        Raises:
            MercError: what stopped the analysis.
        """
        with self._lock:  # not while the rest is judged: another connection may come and wait for the end
            if self._over:
                return False
            self._over = True
        self._pipe.close()
        if self._reader is not None:
            self._reader.join()
        if self._decoder is not None:
            self._feed(self._decoder(b"", last=True))
        if self._failure is not None:
            raise self._failure
        self.stream.finish()
        if self._record is None:
            self.end = {"event": "end", "timeline": document(self.stream.timeline())}
        else:
            self._record.close()
        self.wake()
        return True

    def events(self, after: int) -> Iterator[dict[str, Any]]:
        """The events after one with this number that are there."""
        return self.stream.journal.since(after)

    def close(self) -> None:
        """Give everything back; what waits is not judged, and sound that was not analysed is removed."""
        self._pipe.close()
        self._resources.close()
        if self.sound is not None:
            self.sound.unlink(missing_ok=True)
        self.wake()

    def _feed(self, block: Float) -> None:
        if self._record is not None:
            list(self._record.kept([block]))
        self.stream.feed(block)

    def _read(self) -> None:
        try:
            for block in decoded(self._pipe, name="the stream"):
                self._feed(block)
        except MercError as error:
            self._failure = error
        finally:
            self._pipe.close()


class Sessions:
    """The streams of a server by their ids.

    Args:
        most: How many there may be at a time, those that wait for their client included.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._open: dict[str, Session] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __contains__(self, session: Session) -> bool:
        return session.id in self._open

    def add(self, session: Session) -> None:
        """Keep a session."""
        self._open[session.id] = session

    def find(self, name: str, who: str | None) -> Session | None:
        """The session of an id and a client; None if there is none."""
        found = self._open.get(name)
        return found if found is not None and found.who == who else None

    def remove(self, session: Session) -> None:
        """Forget a session, and give back what it holds."""
        if self._open.pop(session.id, None) is not None:
            session.close()

    def clear(self) -> None:
        """Forget all."""
        for session in list(self._open.values()):
            self.remove(session)
