from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from merc.errors import InputError
from merc.server.app import create_app
from merc.server.guards.access import COOKIE, Tokens
from merc.server.settings import Settings

TOKEN = "0123456789abcdef0123"


@pytest.fixture
def guarded(tmp_path: Path) -> TestClient:
    (tmp_path / "tokens").write_text(f"# of the study\nanna {TOKEN}\n")
    settings = Settings(tmp_path / "data", "Tests", token_file=tmp_path / "tokens", host="0.0.0.0")
    return TestClient(create_app(settings), base_url="http://example.org", raise_server_exceptions=False)


def test_a_token_is_required_for_the_api(guarded: TestClient) -> None:
    for path in ("/v1/analyses", "/v1/models", "/metrics", "/v1/nowhere"):
        answer = guarded.get(path)
        assert answer.status_code == 401, path
        assert answer.headers["www-authenticate"].startswith("Bearer")
    assert guarded.get("/v1/about").status_code == guarded.get("/healthz").status_code == 200


@pytest.mark.parametrize("given", ["Bearer wrong-wrong-wrong-wrong", "Basic YTpi", "Bearer", "Bearer \udcff", TOKEN])
def test_a_wrong_token_is_refused(guarded: TestClient, given: str) -> None:
    headers = {"Authorization": given.encode("utf-8", "surrogateescape")}
    assert guarded.get("/v1/analyses", headers=headers).status_code == 401


def test_a_token_is_good_as_a_header_and_as_the_cookie_of_a_page(guarded: TestClient, tmp_path: Path) -> None:
    answer = guarded.post("/v1/session", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 204
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert "SameSite=strict" in answer.headers["set-cookie"]
    guarded.cookies.set(COOKIE, TOKEN)
    assert guarded.get("/v1/analyses").status_code == 200
    entries = [json.loads(line) for line in (tmp_path / "data" / "audit.jsonl").read_text().splitlines()]
    assert [entry["who"] for entry in entries] == ["anna", "anna"]
    assert TOKEN not in (tmp_path / "data" / "audit.jsonl").read_text()


def test_tokens_are_read_again_when_the_file_changes(tmp_path: Path) -> None:
    path = tmp_path / "tokens"
    path.write_text(f"{TOKEN}\n")
    tokens = Tokens(path)
    assert tokens.name(TOKEN) == hashlib.sha256(TOKEN.encode()).hexdigest()[:8]
    path.write_text(f"ben {TOKEN[::-1]}\n")
    os.utime(path, (1, 1))
    assert (tokens.name(TOKEN), tokens.name(TOKEN[::-1])) == (None, "ben")


@pytest.mark.parametrize(
    ("content", "why"),
    [("", "has no tokens"), ("short\n", "16 characters or more"), (f"a b {TOKEN}\n", "expected TOKEN or NAME TOKEN")],
)
def test_a_token_file_is_checked(content: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "tokens").write_text(content)
    with pytest.raises(InputError, match=why):
        Tokens(tmp_path / "tokens")
    with pytest.raises(InputError, match="cannot be read"):
        Tokens(tmp_path / "absent")


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "[", "127.0.0.1.evil.example:8000"])
def test_a_name_of_another_site_is_refused_without_tokens(client: TestClient, host: str) -> None:
    answer = client.get("/v1/about", headers={"Host": host})
    assert answer.status_code == 421
    assert "--allow-host" in answer.json()["detail"]


@pytest.mark.parametrize("host", ["localhost:9", "127.0.0.1:8000", "[::1]:8000", "LOCALHOST"])
def test_names_of_this_machine_are_good(client: TestClient, host: str) -> None:
    assert client.get("/v1/about", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1:9", "http://[", "x"])
def test_a_page_of_another_site_cannot_post(client: TestClient, origin: str) -> None:
    answer = client.post("/v1/analyses", headers={"Origin": origin}, files={"file": ("a.wav", b"RIFF")})
    assert answer.status_code == 403
    assert answer.json()["detail"].startswith(f"origin is '{origin}'")
    assert client.get("/v1/analyses").json()["analyses"] == []


def test_the_own_page_can_post(client: TestClient) -> None:
    headers = {"Origin": "http://127.0.0.1:8000"}
    assert client.post("/v1/analyses", headers=headers, files={"file": ("a.wav", b"RIFF")}).status_code == 202


def test_a_stream_of_another_site_is_refused(client: TestClient) -> None:
    with pytest.raises(WebSocketDisconnect) as refused:
        client.websocket_connect("/v1/stream", headers={"Origin": "http://evil.example"}).__enter__()
    assert refused.value.code == 1008
