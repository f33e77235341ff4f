"""Processes that measure tasks side by side: a task that breaks or hangs its process costs that task alone.

Each process builds its models once. Results come back as they are ready; where a process dies, the task is tried once
more in a fresh one (something else may have killed it) and then counts as failed. When the parent is killed, the
processes see their pipe closed and end.
"""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np

from merc.errors import MercError, MissingExtra, OutputError, WeightError

Measured = dict[str, Any]
"""A result by name; one that holds only ``failed`` says why there is none."""

Job = TypeVar("Job", bound=Hashable)
"""What a process is given: a task of a check, or a clip to encode. It is pickled, and tells itself from others."""

DAMAGE = (MercError, OSError, ValueError, RuntimeError, ArithmeticError, LookupError, MemoryError)
"""What decoders and models raise on damaged input; anything else ends the process, which has the same consequence."""
_STOP = (WeightError, MissingExtra, OutputError)  # no clip's fault: the run cannot go on
_ENDING = 5.0  # seconds that an idle process may take to end by itself
_STARTING = 300.0  # seconds that a process may take to start


@dataclass(slots=True)
class _Worker(Generic[Job]):
    """One process, the pipe to it, and what it is doing since when (monotonic seconds)."""

    process: Any
    pipe: Connection
    task: Job | None = None
    since: float = 0.0
    ready: bool = False


class Workers(Generic[Job]):
    """So many processes that measure jobs of one kind into arrays by name; use it as a context, which ends them.

    ``make`` is called once in each process and gives the function that measures; it must be importable by name.
    A task that takes longer than ``timeout`` seconds is failed and its process replaced.
    """

    def __init__(self, make: Callable[[], Callable[[Job], Measured]], *, count: int, timeout: float) -> None:
        self._make, self._count, self._timeout = make, count, timeout
        self._context = multiprocessing.get_context("spawn")  # a fork would copy locks of threads, and hold pipes open
        self._workers: list[_Worker[Job]] = []

    def __enter__(self) -> Workers[Job]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for worker in self._workers:
            worker.pipe.close()  # an idle process ends by itself then, and tidies up
        for worker in self._workers:
            worker.process.join(_ENDING if worker.task is None and worker.ready else 0)
            self._end(worker)
        self._workers = []

    def run(self, tasks: Sequence[Job]) -> Iterator[tuple[Job, Measured]]:
        """Measure tasks and yield each with its result as it is ready; a failed one holds only its reason.

        Raises what no clip is to blame for: WeightError, MissingExtra, OutputError.
        """
        waiting, deaths = deque(tasks), dict[Job, int]()
        while waiting or any(worker.task for worker in self._workers):
            self._staff(len(waiting))
            for worker in self._workers:
                if worker.ready and worker.task is None and waiting:
                    self._give(worker, waiting.popleft())
            for worker in self._heard_from():
                yield from self._collect(worker, waiting, deaths)
            for worker in self._late():
                task = worker.task
                self._replace(worker)
                if task is not None:
                    yield task, failed(f"took longer than {self._timeout:g} s")

    def _staff(self, waiting: int) -> None:
        busy = sum(worker.task is not None for worker in self._workers)
        while len(self._workers) < min(self._count, busy + waiting):
            self._workers.append(self._start())

    def _start(self) -> _Worker[Job]:
        ours, theirs = self._context.Pipe()
        process = self._context.Process(target=_serve, args=(theirs, self._make), daemon=True)
        process.start()
        theirs.close()
        return _Worker(process, ours, since=time.monotonic())

    def _give(self, worker: _Worker[Job], task: Job) -> None:
        worker.task, worker.since = task, time.monotonic()
        try:
            worker.pipe.send(task)
        except OSError:
            return  # it has died; its pipe tells so next

    def _heard_from(self) -> list[_Worker[Job]]:
        """The workers whose pipe has something to say (its end included), after a wait of at most a second."""
        said = wait([worker.pipe for worker in self._workers], timeout=min(1.0, self._timeout / 4))
        return [worker for worker in self._workers if worker.pipe in said]

    def _collect(
        self, worker: _Worker[Job], waiting: deque[Job], deaths: dict[Job, int]
    ) -> Iterator[tuple[Job, Measured]]:
        task = worker.task
        try:
            answer = worker.pipe.recv()
        except (EOFError, OSError):
            worker.process.join(5)
            code = worker.process.exitcode
            self._replace(worker)
            if not worker.ready:
                raise MercError(
                    f"a measuring process could not start (exit code {code}); see its message above"
                ) from None
            if task is None:
                return
            deaths[task] = deaths.get(task, 0) + 1
            if deaths[task] < 2:
                waiting.append(task)
            else:
                yield task, failed(f"the measuring process died (exit code {code})")
            return
        if isinstance(answer, _STOP):
            raise answer
        worker.ready, worker.task, worker.since = True, None, time.monotonic()
        if task is not None:
            yield task, answer

    def _late(self) -> list[_Worker[Job]]:
        now = time.monotonic()
        return [
            worker
            for worker in self._workers
            if (worker.task is not None and now - worker.since > self._timeout)
            or (not worker.ready and now - worker.since > _STARTING)
        ]

    def _replace(self, worker: _Worker[Job]) -> None:
        self._end(worker)
        self._workers.remove(worker)

    @staticmethod
    def _end(worker: _Worker[Any]) -> None:
        worker.pipe.close()
        worker.process.kill()
        worker.process.join()


def failed(reason: str) -> Measured:
    """The result of a task that could not be done."""
    return {"failed": np.array(reason)}


def _serve(pipe: Connection, make: Callable[[], Callable[[Job], Measured]]) -> None:
    """The life of a measuring process: build, then answer tasks until the pipe closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
    try:
        measure = make()
        pipe.send("ready")
        while True:
            pipe.send(_attempt(measure, pipe.recv()))
    except _STOP as error:
        pipe.send(error)
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return


def _attempt(measure: Callable[[Job], Measured], task: Job) -> Measured | MercError:
    try:
        return measure(task)
    except _STOP as error:
        return error
    except DAMAGE as error:
        return failed(f"{error}" if isinstance(error, MercError) else f"{type(error).__name__}: {error}")
