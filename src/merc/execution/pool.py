"""The executor of several processes: an item that kills or hangs its process costs that item alone.

Each process builds the function once. Rows come back as they are ready. Every second process takes its items from the
other end: where the caller sorts them by length, long ones run beside short ones. Where a process dies, its item is
tried once more in a fresh one (something else may have killed it) and then fails. When the parent is killed, the
processes see their pipe closed and end.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any

from merc.errors import MercError
from merc.execution.executor import STOP, Item, Kept, Make, Result, Row, attempt, resumed
from merc.options import above, at_least

_ENDING = 5.0  # seconds that an idle process may take to end by itself
_STARTING = 300.0  # seconds that a process may take to start


@dataclass(slots=True)
class _Worker:
    """One process, the pipe to it, and its item since when (monotonic seconds)."""

    process: Any
    pipe: Connection
    item: Any = None
    busy: bool = False
    since: float = 0.0
    ready: bool = False


class Processes:
    """Runs items in several processes; use it as a context, which ends them.

    Processes are kept from one ``map`` to the next as long as ``make`` is the same.

    Args:
        count: Number of processes.
        timeout: Seconds after which an item fails and its process is replaced.

    Raises:
        InputError: for a count below 1 or a timeout of 0 or less.
    """

    def __init__(self, count: int, *, timeout: float) -> None:
        at_least(1, scope="processes", count=count)
        above(0, scope="processes", timeout=timeout)
        self._count, self._timeout = count, timeout
        self._make: Make[Any, Any] | None = None
        self._context = multiprocessing.get_context("spawn")  # a fork would copy locks of threads, and hold pipes open
        self._workers: list[_Worker] = []

    def __enter__(self) -> Processes:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_all()

    def map(
        self, make: Make[Item, Result], items: Sequence[Item], *, kept: Kept[Item, Result] | None = None
    ) -> Iterator[Row[Item, Result]]:
        """Yield one row per item; see `Executor.map`. ``make`` must be importable by name."""
        if make != self._make:
            self._end_all()
            self._make = make
        return resumed(self._run, items, kept)

    def _run(self, items: Sequence[Item]) -> Iterator[Row[Item, Result]]:
        waiting, deaths = deque(items), dict[Item, int]()
        try:
            while waiting or self._busy():
                self._hand_out(waiting)
                for worker in self._with_answers():
                    yield from self._collect(worker, waiting, deaths)
                for worker in self._late():
                    self._replace(worker)
                    if worker.busy:
                        yield Row(worker.item, reason=f"took longer than {self._timeout:g} s")
        finally:
            for worker in self._busy():  # a consumer that stops early leaves no answer for the next map
                self._replace(worker)

    def _busy(self) -> list[_Worker]:
        return [worker for worker in self._workers if worker.busy]

    def _hand_out(self, waiting: deque[Item]) -> None:
        """Start as many processes as there are items for, and give each that is ready the next item."""
        while len(self._workers) < min(self._count, len(self._busy()) + len(waiting)):
            self._workers.append(self._start())
        for number, worker in enumerate(self._workers):
            if worker.ready and not worker.busy and waiting:
                self._give(worker, waiting.pop() if number % 2 else waiting.popleft())

    def _start(self) -> _Worker:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, since=time.monotonic())

    def _give(self, worker: _Worker, item: object) -> None:
        worker.item, worker.busy, worker.since = item, True, time.monotonic()
        try:
            worker.pipe.send(item)
        except OSError:
            return  # it has died, and its pipe says so next

    def _with_answers(self) -> list[_Worker]:
        """The workers whose pipe holds an answer or has closed, after a wait of at most a second."""
        pipes = wait([worker.pipe for worker in self._workers], timeout=min(1.0, self._timeout / 4))
        return [worker for worker in self._workers if worker.pipe in pipes]

    def _collect(self, worker: _Worker, waiting: deque[Item], deaths: dict[Item, int]) -> Iterator[Row[Item, Result]]:
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            yield from self._died(worker, waiting, deaths)
            return
        if isinstance(answer, BaseException):
            raise answer
        was_busy, worker.busy, worker.ready, worker.since = worker.busy, False, True, time.monotonic()
        if was_busy:
            yield Row(worker.item, *answer)

    def _died(self, worker: _Worker, waiting: deque[Item], deaths: dict[Item, int]) -> Iterator[Row[Item, Result]]:
        """Try the item of a process that died once more, or fail it the second time."""
        worker.process.join(5)
        code = worker.process.exitcode
        self._replace(worker)
        if not worker.ready:
            raise MercError(f"a process could not start (exit code {code}); see its message above")
        if not worker.busy:
            return
        deaths[worker.item] = deaths.get(worker.item, 0) + 1
        if deaths[worker.item] < 2:
            waiting.append(worker.item)
        else:
            yield Row(worker.item, reason=f"the process died (exit code {code})")

    def _late(self) -> list[_Worker]:
        now = time.monotonic()
        return [
            worker
            for worker in self._workers
            if (worker.busy and now - worker.since > self._timeout)
            or (not worker.ready and now - worker.since > _STARTING)
        ]

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle process ends by itself then, and tidies up
        for worker in self._workers:
            worker.process.join(_ENDING if worker.ready and not worker.busy else 0)
            self._end(worker)
        self._workers = []

    def _replace(self, worker: _Worker) -> None:
        self._end(worker)
        self._workers.remove(worker)

    @staticmethod
    def _end(worker: _Worker) -> None:
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()


def _serve(pipe: Connection, make: Make[Any, Any]) -> None:
    """The life of a process: build the function, then answer items until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    try:
        function = make()
        pipe.send("ready")
        while True:
            row = attempt(function, pipe.recv())
            pipe.send((row.result, row.reason))
    except STOP as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return
