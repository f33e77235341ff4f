from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from merc.errors import InputError
from merc.server.guards.audit import Audit
from merc.server.settings import Settings


def test_requests_are_written_down_without_content_or_names(client: TestClient, settings: Settings, tone: Path) -> None:
    made = client.post("/v1/analyses", files={"file": ("secret talk.wav", tone.read_bytes())}).json()
    client.get(f"/v1/analyses/{made['id']}")
    client.get("/v1/analyses/other")
    client.get("/healthz")
    text = (settings.data / "audit.jsonl").read_text()
    entries = [json.loads(line) for line in text.splitlines()]
    assert [(one["method"], one["route"], one["status"]) for one in entries] == [
        ("POST", "/v1/analyses", 202),
        ("GET", "/v1/analyses/{id}", 200),
        ("GET", "/v1/analyses/{id}", 404),
    ]
    assert entries[0]["id"] == entries[1]["id"] == made["id"]
    assert {one["purpose"] for one in entries} == {"Tests of the server"}
    assert "secret" not in text
    assert (settings.data / "audit.jsonl").stat().st_mode & 0o777 == 0o600


def test_a_log_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be written"):
        Audit(lambda *_: None, tmp_path / "absent" / "audit.jsonl", "a purpose")  # type: ignore[arg-type,return-value]
