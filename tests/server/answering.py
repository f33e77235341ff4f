"""A worker without models, for requests that wait for an analysis."""

from __future__ import annotations

import threading
import time

from merc.formats import files, written
from merc.server.store import Store, result_name
from tests.server.queue.test_worker import timeline


class Answering:
    """A worker without models, which ends jobs with a timeline or a reason."""

    def __init__(self, store: Store, reason: str | None = None) -> None:
        self._store, self._reason, self._ending = store, reason, threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.is_set():
            job = self._store.queue.claim("w")
            if job is None:
                time.sleep(0.02)
            elif self._reason:
                self._store.queue.fail(job, self._reason)
            else:
                name = result_name(job.name)
                written.save(timeline(job.name), self._store.folder(job.id) / name, files(["json"]))
                self._store.queue.finish(job, name, lambda: None, recorded=1)
