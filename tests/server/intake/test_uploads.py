from __future__ import annotations

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from merc.server.settings import Settings

BOUNDARY = {"Content-Type": "multipart/form-data; boundary=b"}


def _part(head: str, body: str = "x") -> str:
    return f"--b\r\n{head}\r\n\r\n{body}\r\n"


FILE = _part('Content-Disposition: form-data; name="file"; filename="a.wav"', "RIFF")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (FILE, "the form ends before its last boundary"),
        ("nothing", "the form cannot be read"),
        (_part("X-Odd: 1") + "--b--\r\n", "a part has no name"),
        (FILE + FILE + "--b--\r\n", "it has two files 'file'"),
        (_part('Content-Disposition: form-data; name="a"') * 61 + "--b--\r\n", "more than 60 fields"),
        (_part('Content-Disposition: form-data; name="a"', "x" * 70_000) + "--b--\r\n", "more than 64 kB"),
        (_part('Content-Disposition: form-data; name="asr"') + "--b--\r\n", "path is missing: upload the recording"),
        (FILE.replace('"file"', '"film"') + "--b--\r\n", "unknown file 'film'"),
        (FILE.replace("RIFF", "") + "--b--\r\n", "a.wav is empty"),
    ],
)
def test_a_malformed_form_is_refused_and_nothing_is_left(
    client: TestClient, settings: Settings, body: str, why: str
) -> None:
    answer = client.post("/v1/analyses", content=body, headers=BOUNDARY)
    assert answer.status_code == 422
    assert why in answer.json()["detail"]
    assert list((settings.data / "incoming").iterdir()) == []
    assert list((settings.data / "analyses").iterdir()) == []


@pytest.mark.parametrize("body", ["", "{", "[" * 100_000, "[]", "null", '"x"', "NaN"])
def test_json_that_is_not_an_object_is_refused(client: TestClient, body: str) -> None:
    answer = client.post("/v1/analyses", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("the body is ")


@pytest.mark.parametrize("kind", ["text/plain", "multipart/mixed", "", "application/x-www-form-urlencoded"])
def test_other_types_of_content_are_refused(client: TestClient, kind: str) -> None:
    answer = client.post("/v1/analyses", content=b"x=1", headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "expected multipart/form-data or application/json" in answer.json()["detail"]


def test_a_file_is_stored_byte_for_byte(client: TestClient, settings: Settings) -> None:
    content = bytes(range(256)) * 500
    made = client.post("/v1/analyses", files={"file": ("a.bin", content)}).json()
    assert (settings.data / "analyses" / made["id"] / "a.bin").read_bytes() == content


def test_a_boundary_is_required(client: TestClient) -> None:
    answer = client.post("/v1/analyses", content=b"x", headers={"Content-Type": "multipart/form-data"})
    assert answer.status_code == 422


def test_incoming_is_private(client: TestClient, settings: Settings) -> None:
    folders = [settings.data, settings.data / "incoming", settings.data / "analyses"]
    assert [path.stat().st_mode & 0o777 for path in folders] == [0o700] * 3
    assert Path(settings.data / "queue.sqlite").exists()
