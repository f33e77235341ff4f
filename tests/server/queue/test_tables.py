from __future__ import annotations

from pathlib import Path

import pytest

from merc.errors import InputError, OutputError
from merc.server.queue.tables import Database


@pytest.mark.parametrize("url", ["mysql://host/merc", "sqlite:///x.db", "nonsense"])
def test_other_databases_are_refused(url: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected postgresql://USER:PASSWORD@HOST/NAME"):
        Database(url, tmp_path)


def test_a_database_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="cannot be used") as caught:
        Database("postgresql://merc:secret@127.0.0.1:1/merc", tmp_path)
    assert "secret" not in str(caught.value)
    with pytest.raises(InputError) as refused:
        Database("mysql://merc:secret@host/merc", tmp_path)
    assert "secret" not in str(refused.value)


def test_a_transaction_is_all_or_nothing(database: Database) -> None:
    from merc.server.queue.tables import WORKERS

    with pytest.raises(KeyError), database.write() as connection:
        connection.execute(WORKERS.insert().values(id="a", seen=1.0))
        raise KeyError
    with database.read() as connection:
        assert connection.execute(WORKERS.select()).all() == []
