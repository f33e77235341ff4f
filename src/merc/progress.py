"""How long-running work reports how far it is: one callable, defined once for every room, and its form for logs."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

Progress = Callable[[str, float, float], None]
"""Called with the name of a stage, how much of it is done, and how much there is.

Done and total share a unit of the stage's choice (seconds, items, bytes). Calls may come from a second thread.
"""


@dataclass(slots=True)
class _Stage:
    """One stage: when it began and at what amount (it may resume), and whether its end was written."""

    since: float
    first: float
    last: float
    ended: bool = False


class LogLines:
    """A ``Progress`` for logs: one line now and then with the minutes left, and one at the end of each stage.

    Args:
        write: Called with each line, without a line break.
        every: Least seconds between two lines that are not the end of a stage.
        clock: Seconds of a clock that never goes back.

    Example:
        >>> report = LogLines(print)
        >>> report("transcribe", 30, 60)
        >>> report("transcribe", 60, 60)
        transcribe: done in 0.0 min
    """

    def __init__(
        self, write: Callable[[str], object], *, every: float = 20.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._write, self._every, self._clock = write, every, clock
        self._stages: dict[str, _Stage] = {}
        self._written = clock()
        self._lock = Lock()

    def __call__(self, stage: str, done: float, total: float) -> None:
        """Report ``done`` of ``total`` of a stage; a stage that starts again below its last amount restarts."""
        with self._lock:
            now = self._clock()
            known = self._stages.get(stage)
            if known is None or done < known.last:
                known = self._stages[stage] = _Stage(now, done, done)
            known.last = done
            if done >= total:
                if not known.ended:
                    self._write(f"{stage}: done in {(now - known.since) / 60:.1f} min")
                known.ended = True
            elif now - self._written >= self._every and done > known.first:
                left = (total - done) * (now - known.since) / (done - known.first)
                self._write(f"{stage}: {done / total:.0%}, {left / 60:.1f} min left")
                self._written = now
