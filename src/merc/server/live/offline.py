"""The offline analysis of a stream that has ended: a job of the queue, which outlives the server as all of them do."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

from merc.errors import MercError
from merc.formats import written
from merc.server.analyses import ended
from merc.server.live.messages import Options
from merc.server.problems import Problem
from merc.server.queue.jobs import Job
from merc.server.store import Store


class Offline:
    """Keeps the sound of streams, and queues its analysis.

    Args:
        store: Where the analyses are; nothing of them is kept once the client has the result.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def place(self) -> Path:
        """Where the sound of a stream is written while it lasts; raises a problem 429 or 507 if no more is taken."""
        self._store.room()
        return self._store.incoming / f"stream-{secrets.token_hex(16)}.wav"

    def queue(self, sound: Path, options: Options) -> str:
        """Queue the analysis of a stream's sound, however many wait: there was room when the stream began.

        Args:
            sound: The file, which is moved to the analysis.
            options: Of the stream.

        Returns:
            The id of the analysis.
        """
        job = Job("stream.wav", options.model_dump(exclude_defaults=True), transient=True)
        self._store.add(job, sound, None, waits=True)
        return job.id

    def result(self, id_: str) -> dict[str, Any] | None:
        """The timeline as ``timeline.json`` holds it; None as long as it is not done.

        Raises:
            Problem: 422 with the reason if the analysis failed, 409 if somebody removed it.
        """
        if not ended(self._store, id_):
            return None
        found: dict[str, Any] = json.loads((self._store.find(id_) / written.TIMELINE).read_bytes())
        return found

    def remove(self, id_: str) -> None:
        """Remove an analysis, unless somebody else has."""
        try:
            self._store.remove(id_)
        except (Problem, MercError):
            return
