"""The executor of several processes: an item that kills or hangs its process costs that item alone.

When the parent is killed, the processes see their pipe closed and end.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import Any

from merc.errors import MercError
from merc.execution.crew import Crew, Death, Worker
from merc.execution.executor import STOP, Make, attempt
from merc.options import at_least

_ENDING = 5.0  # seconds that an idle process may take to end by itself


@dataclass(slots=True, kw_only=True)
class _Process(Worker):
    """One process, and the pipe to it."""

    process: Any
    pipe: Connection


class Processes(Crew[_Process]):
    """Runs items in several processes; use it as a context, which ends them.

    Processes are kept from one ``map`` to the next as long as ``make`` is the same.

    Args:
        count: Number of processes.
        timeout: Seconds after which an item fails and its process is replaced.

    Raises:
        InputError: for a count below 1 or a timeout of 0 or less.

    Example:
        >>> with Processes(2, timeout=60) as executor:
        ...     list(executor.map(dict, []))
        []
    """

    scope = "processes"

    def __init__(self, count: int, *, timeout: float) -> None:
        at_least(1, scope=self.scope, count=count)
        super().__init__(timeout=timeout)
        self._count = count
        self._context = multiprocessing.get_context("spawn")  # a fork would copy locks of threads, and hold pipes open

    def _most(self) -> int:
        return self._count

    def _start(self) -> _Process:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        process.start()
        theirs.close()
        return _Process(process=process, pipe=ours, since=time.monotonic())

    def _send(self, worker: _Process) -> None:
        try:
            worker.pipe.send(worker.item)
        except OSError:
            return  # it has died, and its pipe says so next

    def _with_answers(self) -> list[_Process]:
        """The workers whose pipe holds an answer or has closed, after a wait of at most a second."""
        pipes = wait([worker.pipe for worker in self._workers], timeout=min(1.0, self._timeout / 4))
        return [worker for worker in self._workers if worker.pipe in pipes]

    def _receive(self, worker: _Process) -> Any:
        try:
            return worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            code = worker.process.exitcode
        if not worker.ready:
            raise MercError(f"a process could not start (exit code {code}); see its message above")
        raise Death(f"the process died (exit code {code})")

    def _end_all(self) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle process ends by itself then, and tidies up
        for worker in self._workers:
            worker.process.join(_ENDING if worker.ready and not worker.busy else 0)
            self._end(worker)
        self._workers = []

    def _end(self, worker: _Process) -> None:
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
