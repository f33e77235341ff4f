from __future__ import annotations

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from merc.errors import FormatError, InputError, MercError, MissingExtra, OutputError, WeightError
from merc.server.problems import MEDIA_TYPE, Problem, install, status_of


def _client() -> TestClient:
    app = FastAPI()
    install(app)

    @app.get("/merc")
    def merc() -> None:
        raise InputError("talk.wav: no such file")

    @app.get("/busy")
    def busy() -> None:
        raise Problem(429, "100 analyses wait: try again later", {"Retry-After": "30"})

    @app.get("/fault")
    def fault() -> None:
        raise ZeroDivisionError("secret")

    @app.get("/number")
    def number(speakers: int) -> int:
        return speakers

    return TestClient(app, raise_server_exceptions=False)


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("/merc", 422, "talk.wav: no such file"),
        ("/busy", 429, "100 analyses wait: try again later"),
        ("/nowhere", 404, "there is nothing at /nowhere: see /openapi.json for the routes"),
        ("/number?speakers=two", 422, "speakers is 'two': expected a whole number"),
        ("/number", 422, "speakers is missing: see /openapi.json for what the request has to hold"),
    ],
)
def test_every_error_is_a_problem_document(path: str, status: int, detail: str) -> None:
    answer = _client().get(path)
    assert answer.headers["content-type"] == MEDIA_TYPE
    document = answer.json()
    assert (answer.status_code, document["status"], document["detail"]) == (status, status, detail)
    assert document["type"] == "about:blank"
    assert document["title"]


def test_headers_of_a_problem_are_sent() -> None:
    assert _client().get("/busy").headers["retry-after"] == "30"
    refused = _client().post("/merc")
    assert refused.headers["allow"] == "GET"
    assert refused.json()["detail"].startswith("POST is not possible at /merc")


def test_a_fault_has_no_traceback(caplog: pytest.LogCaptureFixture) -> None:
    answer = _client().get("/fault")
    assert answer.status_code == 500
    assert answer.json()["detail"].startswith("ZeroDivisionError: merc did not expect this")
    assert "secret" not in answer.text
    assert "secret" in caplog.text


@pytest.mark.parametrize(
    ("error", "status"),
    [(FormatError, 422), (WeightError, 422), (MissingExtra, 422), (OutputError, 507), (MercError, 500)],
)
def test_the_status_of_an_error(error: type[MercError], status: int) -> None:
    assert status_of(error("why")) == status
