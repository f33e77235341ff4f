"""The queue in SQLite, and in a PostgreSQL of its own where that is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.server.queue import Queue
from merc.server.queue.tables import Database

_FOLDERS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a PostgreSQL server that listens on a socket in a folder of its own."""
    if not _FOLDERS:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql to run this test")
    folder = Path("/tmp") / f"merc-pg-{os.getpid()}"  # the path of a socket is short
    folder.mkdir()
    as_user: list[str] = []
    if os.geteuid() == 0:  # PostgreSQL refuses to run as root
        shutil.chown(folder, "postgres")
        as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]

    def command(name: str, *options: str) -> None:
        subprocess.run([*as_user, _FOLDERS[-1] / name, *options], check=True, stdout=subprocess.DEVNULL, cwd=folder)

    command("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "merc", "--no-sync")
    listens = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    command("pg_ctl", "-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", listens, "start")
    try:
        yield f"postgresql://merc@/postgres?host={folder}"
    finally:
        command("pg_ctl", "-D", f"{folder}/data", "-m", "immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = request.getfixturevalue("postgres") if request.param == "postgres" else None
    found = Database(url, tmp_path)
    yield found
    from merc.server.queue.tables import METADATA

    METADATA.drop_all(found.engine)
    found.close()


@pytest.fixture
def queue(database: Database) -> Queue:
    return Queue(database)
