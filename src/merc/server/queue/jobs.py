"""The queue: analyses that wait, run and have ended, and what happened to each, so that each is done exactly once.

A worker *claims* a job for some seconds (the lease) and renews that while it lives. Each claim has a number that only
grows (the fence): what an earlier claim reports or publishes is refused, so a worker that was thought dead cannot
spoil the work of the one that took over. Results become visible in the transaction that ends the job.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from merc.server.queue.tables import EVENTS, JOBS, TOTALS, WORKERS, Database, now

LEASE = 15.0
"""Seconds after which a worker that has not shown that it lives counts as dead."""
_ID = re.compile(r"[0-9a-f]{32}")
_ENDED = ("done", "failed")
_DIED = (
    "the process that analysed the recording died {attempts} times; it may need more memory than there is, or crash "
    "the decoder: try it with 'merc analyze'"
)


@dataclass(frozen=True, slots=True)
class Event:
    """One step in the life of a job; ids grow."""

    id: int
    time: float
    kind: str
    """"state" or "progress"."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One analysis.

    Example:
        >>> Job(name="talk.wav", options={"speakers": 2}).state
        'queued'
    """

    name: str
    """File name of the recording."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options of the analysis that were given."""
    source: str | None = None
    """Path of the recording on the server; None: it was uploaded."""
    transcript: str | None = None
    """File name of the transcript."""
    transient: bool = False
    """Whether nothing is kept once its request is answered."""
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    state: str = "queued"
    """queued, running, done or failed."""
    created: float = 0.0
    started: float | None = None
    finished: float | None = None
    attempts: int = 0
    fence: int = 0
    reason: str | None = None
    """Why it failed."""
    result: str | None = None
    """Name of the folder of its results."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in _ENDED


class Queue:
    """The jobs in a database. Every method is one transaction, and may be called from any thread and process.

    Args:
        database: Where they are.
        attempts: How often a job is begun before it fails.
    """

    def __init__(self, database: Database, *, attempts: int = 10) -> None:
        self._database, self._attempts = database, attempts

    def add(self, job: Job, *, most: int | None) -> bool:
        """Append a job; False if ``most`` are already waiting or running (None: however many are)."""
        with self._database.write() as connection:
            if most is not None and _unfinished(connection) >= most:
                return False
            time = now(connection)
            row = {name: getattr(job, name) for name in _COLUMNS} | {"options": json.dumps(dict(job.options))}
            connection.execute(sa.insert(JOBS).values(row | {"created": time, "lease": 0.0}))
            _record(connection, job.id, time, "state", {"state": "queued"})
        return True

    def get(self, id_: str) -> Job | None:
        """A job by id; None if there is none."""
        if not _ID.fullmatch(id_):
            return None
        with self._database.read() as connection:
            row = connection.execute(sa.select(JOBS).where(JOBS.c.id == id_)).mappings().first()
        return _job(row) if row else None

    def listed(self, *, limit: int, before: float | None = None) -> list[Job]:
        """The latest jobs that were not transient, newest first; ``before`` is when the last one seen was created."""
        asked = sa.select(JOBS).where(~JOBS.c.transient).order_by(JOBS.c.created.desc()).limit(limit)
        if before is not None:
            asked = asked.where(JOBS.c.created < before)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(asked).mappings()]

    def unfinished(self) -> int:
        """How many jobs wait or run."""
        with self._database.read() as connection:
            return _unfinished(connection)

    def events(self, id_: str, *, after: int = 0) -> list[Event]:
        """What happened to a job since an event."""
        asked = sa.select(EVENTS).where(EVENTS.c.job == id_, EVENTS.c.id > after).order_by(EVENTS.c.id)
        with self._database.read() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Event(row["id"], row["time"], row["kind"], json.loads(row["data"])) for row in rows]

    def claim(self, worker: str) -> Job | None:
        """Take the oldest job that waits, or whose worker has died; None if there is none.

        One that was begun too often fails instead.
        """
        with self._database.write() as connection:
            time = now(connection)
            free = sa.or_(JOBS.c.state == "queued", sa.and_(JOBS.c.state == "running", JOBS.c.lease < time))
            oldest = sa.select(JOBS).where(free).order_by(JOBS.c.created).limit(1).with_for_update(skip_locked=True)
            while row := connection.execute(oldest).mappings().first():
                job = _job(row)
                if job.attempts >= self._attempts:
                    _end(connection, job, "failed", reason=_DIED.format(attempts=job.attempts))
                    continue
                values = {"state": "running", "worker": worker, "lease": time + LEASE, "started": job.started or time}
                values |= {"fence": job.fence + 1, "attempts": job.attempts + 1}
                connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(values))
                _record(connection, job.id, time, "state", {"state": "running", "attempt": job.attempts + 1})
                return _job({**row, **values})
        return None

    def renew(self, job: Job) -> bool:
        """Show that the worker of a claim lives; False if the job is no longer its own."""
        with self._database.write() as connection:
            return _own(connection, job, lease=now(connection) + LEASE)

    def report(self, job: Job, stage: str, done: float, total: float) -> bool:
        """Record progress; False if the job is no longer the claim's own."""
        with self._database.write() as connection:
            if not _own(connection, job):
                return False
            data = {"stage": stage, "done": round(done, 3), "total": round(total, 3)}
            _record(connection, job.id, now(connection), "progress", data)
        return True

    def finish(self, job: Job, result: str, publish: Callable[[], None], *, recorded: float) -> bool:
        """End a claim with its results.

        Args:
            job: The claim.
            result: Name of the folder of results.
            publish: Moves the results to where they are read; called only if the job is still the claim's own, and
                before the end is stored, so that an end is never seen without results.
            recorded: Seconds of the recording.

        Returns:
            Whether the job was still the claim's own.
        """
        with self._database.write() as connection:
            if not _own(connection, job):
                return False
            publish()
            _end(connection, job, "done", result=result, recorded=recorded)
        return True

    def fail(self, job: Job, reason: str) -> bool:
        """End a claim with the reason why there are no results; False if the job was no longer its own."""
        reason = reason.encode("utf-8", "replace").decode().replace("\0", "?")  # no database stores these
        with self._database.write() as connection:
            if not _own(connection, job):
                return False
            _end(connection, job, "failed", reason=reason)
        return True

    def release(self, job: Job) -> None:
        """Give a claim back, as when its worker is stopped; it does not count as an attempt."""
        with self._database.write() as connection:
            if _own(connection, job, state="queued", attempts=job.attempts - 1, lease=0.0):
                _record(connection, job.id, now(connection), "state", {"state": "queued"})

    def remove(self, id_: str) -> bool:
        """Remove a job and its events; a running one is no longer its worker's own. False if there is none."""
        with self._database.write() as connection:
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.job == id_))
            return bool(connection.execute(sa.delete(JOBS).where(JOBS.c.id == id_)).rowcount)

    def outdated(self, *, keep: float | None, transient: float) -> list[str]:
        """Ids of ended jobs that are older than ``keep`` seconds, or ``transient`` seconds if they are transient."""
        with self._database.read() as connection:
            time = now(connection)
            old = sa.and_(JOBS.c.transient, JOBS.c.finished < time - transient)
            if keep is not None:
                old = sa.or_(old, JOBS.c.finished < time - keep)
            return list(connection.execute(sa.select(JOBS.c.id).where(JOBS.c.state.in_(_ENDED), old)).scalars())

    def beat(self, worker: str) -> None:
        """Show that a worker lives and its models are loaded."""
        with self._database.write() as connection:
            time = now(connection)
            connection.execute(sa.delete(WORKERS).where(WORKERS.c.id == worker))
            connection.execute(sa.insert(WORKERS).values(id=worker, seen=time))

    def died(self, worker: str) -> None:
        """Free the jobs of a worker that is known to be dead, without waiting for the end of their leases."""
        with self._database.write() as connection:
            connection.execute(sa.delete(WORKERS).where(WORKERS.c.id == worker))
            running = sa.and_(JOBS.c.worker == worker, JOBS.c.state == "running")
            connection.execute(sa.update(JOBS).where(running).values(lease=0.0))

    def ready(self) -> int:
        """How many workers live and have their models loaded."""
        with self._database.read() as connection:
            alive = sa.select(sa.func.count()).select_from(WORKERS).where(WORKERS.c.seen > now(connection) - LEASE)
            return int(connection.execute(alive).scalar_one())

    def counts(self) -> dict[str, int]:
        """How many jobs there are in each state."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state)).all()
        return {str(state): int(count) for state, count in rows}

    def totals(self) -> dict[str, tuple[int, float, float]]:
        """For each outcome how many jobs ever ended so, the seconds of their recordings, and those of their work."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(TOTALS)).all()
        return {str(outcome): (int(count), float(a), float(b)) for outcome, count, a, b in rows}


_COLUMNS = [column.name for column in JOBS.columns if column.name not in ("worker", "lease")]


def _job(row: Any) -> Job:
    return Job(**{name: row[name] for name in _COLUMNS} | {"options": json.loads(row["options"])})


def _unfinished(connection: sa.Connection) -> int:
    waiting = sa.select(sa.func.count()).select_from(JOBS).where(JOBS.c.state.not_in(_ENDED))
    return int(connection.execute(waiting).scalar_one())


def _own(connection: sa.Connection, job: Job, **values: Any) -> bool:
    """Whether a job is still a claim's own, whose row is locked then; ``values`` are set if so."""
    own = sa.and_(JOBS.c.id == job.id, JOBS.c.fence == job.fence, JOBS.c.state == "running")
    changed = connection.execute(sa.update(JOBS).where(own).values(values or {"fence": job.fence}))
    return bool(changed.rowcount)


def _record(connection: sa.Connection, id_: str, time: float, kind: str, data: Mapping[str, Any]) -> None:
    connection.execute(sa.insert(EVENTS).values(job=id_, time=time, kind=kind, data=json.dumps(data)))


def _end(
    connection: sa.Connection,
    job: Job,
    state: str,
    *,
    reason: str | None = None,
    result: str | None = None,
    recorded: float = 0.0,
) -> None:
    time = now(connection)
    values = {"state": state, "finished": time, "reason": reason, "result": result, "lease": 0.0}
    connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(values))
    _record(connection, job.id, time, "state", {"state": state} | ({"reason": reason} if reason else {}))
    grown = {
        "count": TOTALS.c.count + 1,
        "recorded": TOTALS.c.recorded + recorded,
        "worked": TOTALS.c.worked + (time - (job.started or time)),
    }
    connection.execute(sa.update(TOTALS).where(TOTALS.c.outcome == state).values(grown))
