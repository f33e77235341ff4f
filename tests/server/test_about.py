from __future__ import annotations

from fastapi.testclient import TestClient

from merc.report.notice import NOTICE


def test_the_purpose_and_the_notice_are_shown(client: TestClient) -> None:
    about = client.get("/v1/about").json()
    assert about["purpose"] == "Tests of the server"
    assert about["notice"] == NOTICE
    assert about["token_required"] is False


def test_the_server_answers(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
