"""Running a function over many items: one protocol, in this process or in several."""

from __future__ import annotations

from merc.execution.executor import Executor, Kept, Row
from merc.execution.pool import Processes
from merc.execution.resources import processes
from merc.execution.serial import Serial

__all__ = ["Executor", "Kept", "Processes", "Row", "Serial", "processes"]
