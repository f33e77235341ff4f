"""The tables of the queue, and the database that holds them: SQLite in the data folder, or PostgreSQL."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError

from merc.errors import InputError, OutputError, require

METADATA = sa.MetaData()
_LOCK = 0x6D657263  # any number that nobody else locks

JOBS = sa.Table(
    "jobs",
    METADATA,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("state", sa.String(8), nullable=False, index=True),
    sa.Column("created", sa.Double, nullable=False, index=True),
    sa.Column("started", sa.Double),
    sa.Column("finished", sa.Double),
    sa.Column("name", sa.Text, nullable=False),  # of the recording's file
    sa.Column("source", sa.Text),  # its path on the server; NULL: it was uploaded
    sa.Column("transcript", sa.Text),  # name of the transcript's file
    sa.Column("options", sa.Text, nullable=False),  # JSON
    sa.Column("transient", sa.Boolean, nullable=False),  # whether it goes once its request is answered
    sa.Column("worker", sa.Text),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("fence", sa.Integer, nullable=False),  # grows with each claim; the writes of an earlier one are refused
    sa.Column("lease", sa.Double, nullable=False),  # until when the worker need not show that it lives
    sa.Column("reason", sa.Text),
    sa.Column("result", sa.Text),  # name of the folder of results
)

EVENTS = sa.Table(
    "events",
    METADATA,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job", sa.String(32), nullable=False, index=True),
    sa.Column("time", sa.Double, nullable=False),
    sa.Column("kind", sa.String(8), nullable=False),  # state or progress
    sa.Column("data", sa.Text, nullable=False),  # JSON
    sqlite_autoincrement=True,  # ids of removed events are not given again
)

WORKERS = sa.Table(
    "workers",
    METADATA,
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("seen", sa.Double, nullable=False),
)
"""Processes whose models are loaded, and when each last showed that it lives."""

TOTALS = sa.Table(
    "totals",
    METADATA,
    sa.Column("outcome", sa.String(8), primary_key=True),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("recorded", sa.Double, nullable=False),  # seconds of recordings
    sa.Column("worked", sa.Double, nullable=False),  # seconds of analyses
)
"""What was finished since the database was made, also of analyses that are removed."""


class Database:
    """A database with the tables of the queue, which are made if they are absent.

    Args:
        url: Of PostgreSQL, such as ``postgresql://user:secret@host/merc``; None: SQLite in the folder.
        folder: Where SQLite's file is.

    Raises:
        InputError: the URL is not one of PostgreSQL.
        MissingExtra: the driver is not installed.
        OutputError: the database cannot be reached.
    """

    def __init__(self, url: str | None, folder: Path) -> None:
        self.engine = _postgres(url) if url else _sqlite(folder / "queue.sqlite")
        with self.write() as connection:
            if connection.dialect.name == "postgresql":  # of servers that start together, one makes the tables
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
            METADATA.create_all(connection)
            known = set(connection.execute(sa.select(TOTALS.c.outcome)).scalars())
            for outcome in {"done", "failed"} - known:
                connection.execute(sa.insert(TOTALS).values(outcome=outcome, count=0, recorded=0.0, worked=0.0))

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A connection that only reads."""
        with _reached(), self.engine.connect() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction: all of it or nothing. SQLite has one at a time, which waits for the one before."""
        with _reached(), self.engine.connect().execution_options(merc_writes=True) as connection, connection.begin():
            yield connection

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()


def now(connection: sa.Connection) -> float:
    """Seconds since 1970 by the one clock that all who share the queue see."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.execute(sa.select(sa.extract("epoch", sa.func.clock_timestamp()))).scalar_one())


@contextmanager
def _reached() -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise OutputError(f"the database of the queue cannot be used: {error.orig}; check --database") from error


def _sqlite(path: Path) -> sa.Engine:
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 60})

    @sa.event.listens_for(engine, "connect")
    def connected(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin below, not where the driver thinks
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")  # what was accepted survives a power cut

    @sa.event.listens_for(engine, "begin")
    def begun(connection: sa.Connection) -> None:
        writes = connection.get_execution_options().get("merc_writes")
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _postgres(url: str) -> sa.Engine:
    try:
        found = sa.make_url(url)
        if found.get_backend_name() != "postgresql":
            raise InputError(f"database is '{found.render_as_string()}': expected postgresql://USER:PASSWORD@HOST/NAME")
        require("psycopg", extra="postgres", what="a queue in PostgreSQL needs {}")
        return sa.create_engine(found.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except ArgumentError as error:
        raise InputError("database is not a URL: expected postgresql://USER:PASSWORD@HOST/NAME") from error
