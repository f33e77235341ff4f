"""Running a function over many items: one protocol, in this process, in several, or on a cluster."""

from __future__ import annotations

from merc.execution.engine import Engine
from merc.execution.executor import Executor, Kept, Row
from merc.execution.pool import Processes
from merc.execution.resources import processes
from merc.execution.serial import Serial

__all__ = ["Engine", "Executor", "Kept", "Processes", "Row", "Serial", "processes"]
