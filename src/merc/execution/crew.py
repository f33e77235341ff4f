"""What executors of several workers share: one item a worker, and a death costs the item of that worker alone.

Each worker builds the function once. Rows come back as they are ready. Every second worker takes its items from the
other end: where the caller sorts them by length, long ones run beside short ones. The item of a worker that died is
tried again a few times (something else may have killed it) and then fails.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from merc.execution.executor import Item, Kept, Make, Result, Row, resumed
from merc.options import above

STARTING = 300.0
"""Seconds that a worker may take to start."""


@dataclass(slots=True)
class Worker:
    """One worker, and its item since when (monotonic seconds)."""

    item: Any = None
    busy: bool = False
    ready: bool = False
    since: float = 0.0


AnyWorker = TypeVar("AnyWorker", bound=Worker)


class Death(Exception):
    """A worker died; the message is the reason of its item's row if that has happened ``attempts`` times.

    Args:
        reason: What happened.
        attempts: How often an item may be given out before a death of this kind is its own fault.
    """

    def __init__(self, reason: str, *, attempts: int = 2) -> None:
        super().__init__(reason)
        self.attempts = attempts


class Crew(ABC, Generic[AnyWorker]):
    """Runs items in several workers; use it as a context, which ends them.

    Workers are kept from one ``map`` to the next as long as ``make`` is the same.

    Args:
        timeout: Seconds after which an item fails and its worker is replaced.

    Raises:
        InputError: for a timeout of 0 or less.
    """

    scope = "workers"
    """What messages call the workers."""

    def __init__(self, *, timeout: float) -> None:
        above(0, scope=self.scope, timeout=timeout)
        self._timeout = timeout
        self._make: Make[Any, Any] | None = None
        self._workers: list[AnyWorker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._end_all()

    def map(
        self, make: Make[Item, Result], items: Sequence[Item], *, kept: Kept[Item, Result] | None = None
    ) -> Iterator[Row[Item, Result]]:
        """Yield one row per item; arguments, result and errors as for ``Executor.map``. ``make`` must be importable by
        name.
        """
        if make != self._make:
            self._end_all()
            self._make = make
        return resumed(self._run, items, kept)

    def _run(self, items: Sequence[Item]) -> Iterator[Row[Item, Result]]:
        waiting, deaths = deque(items), Counter[tuple[Item, int]]()
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

    def _busy(self) -> list[AnyWorker]:
        return [worker for worker in self._workers if worker.busy]

    def _hand_out(self, waiting: deque[Item]) -> None:
        """Start as many workers as there are items for, and give each that is ready the next item."""
        while len(self._workers) < min(self._most(), len(self._busy()) + len(waiting)):
            self._workers.append(self._start())
        for number, worker in enumerate(self._workers):
            if worker.ready and not worker.busy and waiting:
                worker.item = waiting.pop() if number % 2 else waiting.popleft()
                worker.busy, worker.since = True, time.monotonic()
                self._send(worker)

    def _collect(
        self, worker: AnyWorker, waiting: deque[Item], deaths: Counter[tuple[Item, int]]
    ) -> Iterator[Row[Item, Result]]:
        try:
            answer = self._receive(worker)
        except Death as death:
            self._replace(worker)
            if worker.busy:
                yield from _again(worker.item, death, waiting, deaths)
            return
        if isinstance(answer, BaseException):
            raise answer
        was_busy, worker.busy, worker.ready, worker.since = worker.busy, False, True, time.monotonic()
        if was_busy:
            yield Row(worker.item, *answer)

    def _late(self) -> list[AnyWorker]:
        """The workers that are to be replaced because they take too long."""
        now = time.monotonic()
        return [
            worker
            for worker in self._workers
            if (worker.busy and now - worker.since > self._timeout)
            or (not worker.ready and now - worker.since > STARTING)
        ]

    def _replace(self, worker: AnyWorker) -> None:
        self._end(worker)
        self._workers.remove(worker)

    @abstractmethod
    def _most(self) -> int:
        """How many workers there may be now."""

    @abstractmethod
    def _start(self) -> AnyWorker:
        """Start a worker, which answers once when it is ready."""

    @abstractmethod
    def _send(self, worker: AnyWorker) -> None:
        """Send a worker its item; if it has died, the next answer says so."""

    @abstractmethod
    def _with_answers(self) -> list[AnyWorker]:
        """The workers that have answered or died, after a wait of at most a second."""

    @abstractmethod
    def _receive(self, worker: AnyWorker) -> Any:
        """The answer of a worker: result and reason of its item, or an error that ends the run.

        Raises:
            Death: it died.
            MercError: it died before it was ready, and another would too.
        """

    @abstractmethod
    def _end(self, worker: AnyWorker) -> None:
        """End a worker at once, whatever it does."""

    @abstractmethod
    def _end_all(self) -> None:
        """End all workers; idle ones may tidy up."""


def _again(
    item: Item, death: Death, waiting: deque[Item], deaths: Counter[tuple[Item, int]]
) -> Iterator[Row[Item, Result]]:
    """Put the item of a worker that died back, or fail it where deaths of this kind are too many."""
    deaths[item, death.attempts] += 1
    if deaths[item, death.attempts] < death.attempts:
        waiting.append(item)
    else:
        yield Row(item, reason=str(death))
