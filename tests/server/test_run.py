from __future__ import annotations

import json
import socket
from pathlib import Path

import pydantic
import pytest

from merc.errors import InputError
from merc.server import run
from merc.server.settings import Settings


def test_a_port_that_is_taken_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run.weights, "require", lambda names: None)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = Settings(tmp_path, "Tests", port=taken.getsockname()[1])
        with pytest.raises(InputError, match=r"cannot listen on 127.0.0.1, port \d+: .*choose others with --host and"):
            run.server(settings)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="the system has no such limit")
def test_a_connection_ends_whose_client_reads_nothing(tmp_path: Path) -> None:
    bound = run._bound(Settings(tmp_path, "Tests", port=0))
    with bound, socket.create_connection(bound.getsockname()), bound.accept()[0] as accepted:
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 13),
    reason="pydantic below 2.13 words the same schemas otherwise",
)
def test_the_committed_description_is_the_apps(tmp_path: Path) -> None:
    committed = Path(__file__).parents[2] / "docs" / "reference" / "openapi.json"
    made = run.description(Settings(tmp_path / "data", "Tests"))
    assert not (tmp_path / "data").exists(), "describing the service writes nothing"
    assert json.loads(made) == json.loads(committed.read_text()), (
        "write it anew: merc serve --purpose x --openapi > docs/reference/openapi.json"
    )
