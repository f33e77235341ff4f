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
    """One step in the life of a job; ids grow.

    Attributes:
        id: Grows from event to event.
        time: Seconds since 1970, by the clock of the database.
        data: Such as ``{"state": "running", "attempt": 1}`` or stage, done and total.

    Example:
        >>> Event(1, 1.8e9, "progress", {"stage": "transcribe", "done": 1.0, "total": 2.0}).kind
        'progress'
    """

    id: int
    time: float
    kind: str
    """"state" or "progress"."""
    data: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """One analysis.

    Attributes:
        id: 32 hexadecimal digits.
        created, started, finished: Seconds since 1970, by the clock of the database; None: not yet.
        attempts: How often it was begun.
        fence: Number of its latest claim.

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

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     queue = Queue(Database(None, Path(folder)))
        ...     queue.add(Job(name="talk.wav"), most=None), queue.claim("worker").name, queue.counts()
        (True, 'talk.wav', {'running': 1})
    """

    def __init__(self, database: Database, *, attempts: int = 10) -> None:
        self._database, self._attempts = database, attempts

    def add(self, job: Job, *, most: int | None) -> bool:
        """Append a job.

        Args:
            job: A new one.
            most: Jobs that may wait or run together; None: any number.

        Returns:
            False where as many wait or run already.
        """
        with self._database.write() as connection:
            if most is not None and _unfinished(connection) >= most:
                return False
            time = now(connection)
            row = {name: getattr(job, name) for name in _COLUMNS} | {"options": json.dumps(dict(job.options))}
            connection.execute(sa.insert(JOBS).values(row | {"created": time, "lease": 0.0}))
            _record(connection, job.id, time, "state", {"state": "queued"})
        return True

    def get(self, id_: str) -> Job | None:
        """A job by its id.

        Args:
            id_: Of the job.

        Returns:
            The job; None if there is none.
        """
        if not _ID.fullmatch(id_):
            return None
        with self._database.read() as connection:
            row = connection.execute(sa.select(JOBS).where(JOBS.c.id == id_)).mappings().first()
        return _job(row) if row else None

    def listed(self, *, limit: int, before: float | None = None) -> list[Job]:
        """The latest jobs that were not transient.

        Args:
            limit: Most of them.
            before: When the last one seen was created; None: from the newest.

        Returns:
            Newest first.
        """
        asked = sa.select(JOBS).where(~JOBS.c.transient).order_by(JOBS.c.created.desc()).limit(limit)
        if before is not None:
            asked = asked.where(JOBS.c.created < before)
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(asked).mappings()]

    def unfinished(self) -> int:
        """Count what is left to do.

        Returns:
            Number of jobs that wait or run.
        """
        with self._database.read() as connection:
            return _unfinished(connection)

    def events(self, id_: str, *, after: int = 0) -> list[Event]:
        """What happened to a job.

        Args:
            id_: Of the job.
            after: Id of the last event seen; 0: none.

        Returns:
            Later events in order.
        """
        asked = sa.select(EVENTS).where(EVENTS.c.job == id_, EVENTS.c.id > after).order_by(EVENTS.c.id)
        with self._database.read() as connection:
            rows = connection.execute(asked).mappings().all()
        return [Event(row["id"], row["time"], row["kind"], json.loads(row["data"])) for row in rows]

    def claim(self, worker: str) -> Job | None:
        """Take the oldest job that waits, or whose worker has died. One that was begun too often fails instead.

        Args:
            worker: Name of who takes it.

        Returns:
            The job with the fence of this claim; None if there is none.
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
        """Show that the worker of a claim lives.

        Args:
            job: The claim.

        Returns:
            False where the job is no longer its own.
        """
        with self._database.write() as connection:
            return _own(connection, job, lease=now(connection) + LEASE)

    def report(self, job: Job, stage: str, done: float, total: float) -> bool:
        """Record progress; claim and result as for ``Queue.renew``.

        Args:
            stage: Name of the stage.
            done: How much of it, in the unit of ``total``.
            total: How much there is.
        """
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
        """End a claim without results; claim and result as for ``Queue.renew``.

        Args:
            reason: Why there are none.
        """
        reason = reason.encode("utf-8", "replace").decode().replace("\0", "?")  # no database stores these
        with self._database.write() as connection:
            if not _own(connection, job):
                return False
            _end(connection, job, "failed", reason=reason)
        return True

    def release(self, job: Job) -> None:
        """Give a claim back, as when its worker is stopped; not counted as an attempt. Arguments as for
        ``Queue.renew``.
        """
        with self._database.write() as connection:
            if _own(connection, job, state="queued", attempts=job.attempts - 1, lease=0.0):
                _record(connection, job.id, now(connection), "state", {"state": "queued"})

    def remove(self, id_: str) -> bool:
        """Remove a job and its events; a running one is no longer its worker's own. Arguments as for ``Queue.get``.

        Returns:
            False where there is none.
        """
        with self._database.write() as connection:
            connection.execute(sa.delete(EVENTS).where(EVENTS.c.job == id_))
            return bool(connection.execute(sa.delete(JOBS).where(JOBS.c.id == id_)).rowcount)

    def outdated(self, *, keep: float | None, transient: float) -> list[str]:
        """Find ended jobs that are to be removed.

        Args:
            keep: Seconds since the end; None: for ever.
            transient: The same for jobs that are transient.

        Returns:
            Their ids.
        """
        with self._database.read() as connection:
            time = now(connection)
            old = sa.and_(JOBS.c.transient, JOBS.c.finished < time - transient)
            if keep is not None:
                old = sa.or_(old, JOBS.c.finished < time - keep)
            return list(connection.execute(sa.select(JOBS.c.id).where(JOBS.c.state.in_(_ENDED), old)).scalars())

    def beat(self, worker: str) -> None:
        """Show that a worker lives and its models are loaded.

        Args:
            worker: Its name.
        """
        with self._database.write() as connection:
            time = now(connection)
            connection.execute(sa.delete(WORKERS).where(WORKERS.c.id == worker))
            connection.execute(sa.insert(WORKERS).values(id=worker, seen=time))

    def died(self, worker: str) -> None:
        """Free the jobs of a worker that is known to be dead, at once. Arguments as for ``Queue.beat``."""
        with self._database.write() as connection:
            connection.execute(sa.delete(WORKERS).where(WORKERS.c.id == worker))
            running = sa.and_(JOBS.c.worker == worker, JOBS.c.state == "running")
            connection.execute(sa.update(JOBS).where(running).values(lease=0.0))

    def ready(self) -> int:
        """Count the workers that can take a job.

        Returns:
            Number of those that live and have their models loaded.
        """
        with self._database.read() as connection:
            alive = sa.select(sa.func.count()).select_from(WORKERS).where(WORKERS.c.seen > now(connection) - LEASE)
            return int(connection.execute(alive).scalar_one())

    def counts(self) -> dict[str, int]:
        """Count the jobs by state.

        Returns:
            Numbers by state; a state without jobs is absent.
        """
        with self._database.read() as connection:
            rows = connection.execute(sa.select(JOBS.c.state, sa.func.count()).group_by(JOBS.c.state)).all()
        return {str(state): int(count) for state, count in rows}

    def totals(self) -> dict[str, tuple[int, float, float]]:
        """Sum up all jobs that ever ended, also those that were removed.

        Returns:
            By outcome their number, the seconds of their recordings, and those of their work.
        """
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
