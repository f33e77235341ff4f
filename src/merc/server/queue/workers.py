"""The worker processes of a server: started with it, replaced when they die, ended with it."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import socket
import uuid
from dataclasses import dataclass
from multiprocessing.connection import wait
from threading import Event as Flag
from threading import Thread
from typing import TYPE_CHECKING, Any

from merc.errors import MercError
from merc.server.queue.jobs import Queue

if TYPE_CHECKING:
    from merc.server.settings import Settings

_LOG = logging.getLogger(__name__)
_ENDING = 10.0  # seconds that a worker may take to give its job back
_AGAIN = 2.0  # seconds before a worker that died is replaced


@dataclass(frozen=True, slots=True)
class _Worker:
    name: str
    process: Any


class Workers:
    """Worker processes, as a context: they run inside it.

    Args:
        settings: Of the server; ``settings.workers`` processes are kept running.
        queue: Where a worker's jobs are freed when it dies.

    Example:
        >>> from types import SimpleNamespace
        >>> with Workers(SimpleNamespace(workers=0), queue=None) as workers:
        ...     workers.pids
        []
    """

    def __init__(self, settings: Settings, queue: Queue) -> None:
        self._settings, self._queue = settings, queue
        self._context = multiprocessing.get_context("spawn")  # a fork would copy the locks of threads
        self._running: list[_Worker] = []
        self._ending = Flag()
        self._watch = Thread(target=self._replace, daemon=True)

    def __enter__(self) -> Workers:
        self._running = [self._start() for _ in range(min(1, self._settings.workers))]
        self._watch.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._watch.join()
        for worker in self._running:
            worker.process.terminate()
        for worker in self._running:
            worker.process.join(_ENDING)
            worker.process.kill()
            worker.process.join()
            self._queue.died(worker.name)

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers."""
        return [worker.process.pid for worker in self._running]

    def _start(self) -> _Worker:
        name = f"{socket.gethostname()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        process = self._context.Process(target=_work, args=(self._settings, name), name=f"merc worker {name}")
        process.start()
        return _Worker(name, process)

    def _complete(self) -> None:
        """Start the next worker once those before it have loaded their models: together all would be ready later."""
        if len(self._running) < self._settings.workers and self._queue.ready() >= len(self._running):
            self._running.append(self._start())

    def _replace(self) -> None:
        """Start what is missing, and replace workers that have died, until the context ends."""
        while not self._ending.is_set():
            wait([worker.process.sentinel for worker in self._running], timeout=0.5) or self._ending.wait(0.1)
            try:
                self._complete()
            except MercError as error:
                _LOG.error("further workers wait: %s", error)
            for worker in [one for one in self._running if not one.process.is_alive()]:
                _LOG.error("a worker died (exit code %s); another is started", worker.process.exitcode)
                try:
                    self._queue.died(worker.name)
                except MercError as error:
                    _LOG.error("its analysis waits for the end of the lease: %s", error)
                if self._ending.wait(_AGAIN):
                    return
                self._running[self._running.index(worker)] = self._start()


def _work(settings: Settings, name: str) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the server's affair
    from merc.server.queue.worker import work  # imports torch, which the server does without

    work(settings, name)
