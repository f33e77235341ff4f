"""The queue of analyses in a database, and the processes that work through it."""

from __future__ import annotations

from merc.server.queue.jobs import Event, Job, Queue
from merc.server.queue.workers import Workers

__all__ = ["Event", "Job", "Queue", "Workers"]
