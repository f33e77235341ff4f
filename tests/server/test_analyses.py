from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from merc.server.settings import Settings
from merc.server.store import Store


def post(client: TestClient, tone: Path, **values: Any) -> dict[str, Any]:
    answer = client.post("/v1/analyses", files={"file": ("talk.wav", tone.read_bytes())}, data=values)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == f"/v1/analyses/{answer.json()['id']}"
    found: dict[str, Any] = answer.json()
    return found


def test_an_upload_is_queued_with_its_options(client: TestClient, tone: Path) -> None:
    made = post(client, tone, speakers="2", language="", video="false")
    assert (made["name"], made["state"]) == ("talk.wav", "queued")
    assert made["options"] == {"speakers": 2, "video": False}
    assert client.get("/v1/analyses").json()["analyses"][0]["id"] == made["id"]


def test_a_recording_is_named_by_its_path(client: TestClient, tone: Path, settings: Settings, store: Store) -> None:
    assert settings.root is not None
    (settings.root / "a.wav").write_bytes(tone.read_bytes())
    (settings.root / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    made = client.post("/v1/analyses", json={"path": "a.wav", "transcript": "a.srt", "speakers": 2}).json()
    job = store.get(made["id"])
    assert store.recording(job).resolve() == settings.root / "a.wav"
    transcript = store.transcript(job)
    assert transcript is not None
    assert "Hello" in transcript.read_text()


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "path is missing"),
        ({"path": 7}, "path is 7: expected text"),
        ({"path": "\ud800"}, "path is '?': expected a file below the server's root folder"),
        ({"path": "../x.wav"}, "expected a file below the server's root folder"),
        ({"path": "http://example.org/x.wav"}, "nothing is fetched from a network"),
        ({"path": "a.wav", "speakers": "two"}, "speakers is 'two': expected a whole number"),
        ({"path": "a.wav", "transcript": "a.wav"}, "unknown transcript format 'wav'"),
        ({"path": "a.wav", "odd": 1}, "unknown field 'odd'"),
        ({"path": "a.wav", "system": "/etc"}, "system '/etc' is not offered by this server: it offers none"),
        ({"path": "a.wav", "voices": True}, "voices is true: this server names nobody; leave it out, or start it with"),
    ],
)
def test_bad_requests_are_refused_in_words(
    client: TestClient, tone: Path, settings: Settings, body: dict[str, Any], why: str
) -> None:
    assert settings.root is not None
    (settings.root / "a.wav").write_bytes(tone.read_bytes())
    content = json.dumps(body).encode()  # as bytes: httpx refuses half a character
    answer = client.post("/v1/analyses", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert why in answer.json()["detail"]


def test_a_full_queue_says_when_to_come_back(client: TestClient, tone: Path) -> None:
    for _ in range(3):
        post(client, tone)
    answer = client.post("/v1/analyses", files={"file": ("talk.wav", tone.read_bytes())})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "30"


def test_progress_and_events(client: TestClient, tone: Path, store: Store) -> None:
    made = post(client, tone)
    job = store.queue.claim("w")
    assert job is not None
    store.queue.report(job, "decode", 1, 2)
    store.queue.report(job, "decode", 2, 2)
    store.queue.report(job, "speech", 1, 3)
    found = client.get(f"/v1/analyses/{made['id']}").json()
    assert (found["state"], found["attempts"]) == ("running", 1)
    assert found["progress"] == [
        {"stage": "decode", "done": 2, "total": 2},
        {"stage": "speech", "done": 1, "total": 3},
    ]
    store.queue.fail(job, "talk.wav: no speech")
    assert client.get(f"/v1/analyses/{made['id']}").json()["reason"] == "talk.wav: no speech"
    events = _events(client, made["id"])
    assert [one["event"] for one in events] == ["state", "state", "progress", "progress", "progress", "state"]
    assert json.loads(events[-1]["data"])["reason"] == "talk.wav: no speech"
    assert _events(client, made["id"], last=events[2]["id"]) == events[3:]


def _events(client: TestClient, id_: str, last: str | None = None) -> list[dict[str, str]]:
    answer = client.get(f"/v1/analyses/{id_}/events", headers={"Last-Event-ID": last} if last else {})
    assert answer.headers["content-type"].startswith("text/event-stream")
    blocks = answer.text.replace("\r\n", "\n").strip().split("\n\n")
    return [dict(line.split(": ", 1) for line in block.split("\n")) for block in blocks if "event" in block]


@pytest.mark.parametrize("last", ["x", "-1", str(2**70)])
def test_an_odd_last_event_is_refused(client: TestClient, tone: Path, last: str) -> None:
    made = post(client, tone)
    answer = client.get(f"/v1/analyses/{made['id']}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 422
    assert f"'{last}'" in answer.json()["detail"]


def test_an_analysis_is_removed_with_its_folder(client: TestClient, tone: Path, store: Store) -> None:
    made = post(client, tone)
    assert client.delete(f"/v1/analyses/{made['id']}").status_code == 204
    assert not store.folder(made["id"]).exists()
    for answer in (client.get(f"/v1/analyses/{made['id']}"), client.delete(f"/v1/analyses/{made['id']}")):
        assert answer.status_code == 404
        assert "see /v1/analyses for those that do" in answer.json()["detail"]


def test_pages_of_the_list(client: TestClient, tone: Path) -> None:
    ids = [post(client, tone)["id"] for _ in range(3)]
    first = client.get("/v1/analyses?limit=2").json()
    second = client.get(f"/v1/analyses?limit=2&before={first['before']!r}").json()
    assert [one["id"] for one in first["analyses"] + second["analyses"]] == ids[::-1]
    assert second["before"] is None
