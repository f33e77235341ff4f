from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from merc.server.queue import Job
from merc.server.store import Store


def test_the_server_is_ready_when_a_worker_is(client: TestClient, store: Store) -> None:
    assert client.get("/readyz").status_code == 503
    store.queue.beat("w")
    assert client.get("/readyz").json() == {"status": "ready", "workers": 1}


def test_jobs_are_counted_also_when_they_are_removed(client: TestClient, store: Store, tmp_path: Path) -> None:
    for number in range(3):
        (given := tmp_path / "given").write_bytes(b"x")
        store.add(Job(f"{number}.wav"), given, None)
    for name in ("a", "b"):
        job = store.queue.claim(name)
        assert job is not None
        store.queue.finish(job, "x.merc", lambda: None, recorded=2.5)
    store.remove(job.id)
    client.get("/v1/analyses/x")
    text = client.get("/metrics").text
    for line in (
        'merc_jobs{state="queued"} 1.0',
        'merc_jobs{state="done"} 1.0',
        'merc_jobs_ended_total{outcome="done"} 2.0',
        'merc_recorded_seconds_total{outcome="done"} 5.0',
        'merc_http_requests_total{method="GET",route="/v1/analyses/{id}",status="404"} 1.0',
    ):
        assert line in text


def test_the_models_are_those_that_are_installed(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.server.status.present", lambda name: name in ("whisper-base", "mpnet"))
    found = client.get("/v1/models").json()
    assert [one["id"] for one in found["data"]] == ["base"]
    assert [one["id"] for one in found["others"]] == ["mpnet"]
    assert found["data"][0]["licence"] == "MIT"
