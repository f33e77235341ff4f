from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from fastapi.testclient import TestClient

from merc.server.guards import bodies
from merc.server.guards.bodies import Bodies
from merc.server.problems import Problem
from merc.server.settings import Limits


async def _through(messages: list[dict[str, Any] | None], limits: Limits) -> bytes:
    """What an app reads of a body that comes in these messages; None: nothing more comes."""
    left, taken = iter(messages), bytearray()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        while True:
            message = await receive()
            taken.extend(message["body"])
            if not message.get("more_body"):
                return

    async def receive() -> Any:
        message = next(left)
        if message is None:
            await asyncio.sleep(60)
        return message

    async def send(message: Any) -> None:
        taken.extend(message.get("body", b""))

    scope = {"type": "http", "path": "/v1/analyses", "headers": []}
    await Bodies(app, limits)(scope, receive, send)
    return bytes(taken)


def part(body: bytes, *, more: bool = True) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_without_a_stated_length_is_limited_while_it_is_read() -> None:
    limits = Limits(upload=10)
    assert asyncio.run(_through([part(b"12345"), part(b"67890", more=False)], limits)) == b"1234567890"
    with pytest.raises(Problem) as refused:
        asyncio.run(_through([part(b"12345"), part(b"678901"), None], limits))
    assert refused.value.status_code == 413


def test_a_client_that_falls_silent_is_refused() -> None:
    with pytest.raises(Problem) as refused:
        asyncio.run(_through([part(b"12345"), None], Limits(stall=0.05)))
    assert refused.value.status_code == 408
    assert "nothing came for 0.05 s" in refused.value.detail


def test_a_client_that_trickles_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(step=10)
    monkeypatch.setattr(bodies.time, "monotonic", lambda: next(clock))
    with pytest.raises(Problem) as refused:
        asyncio.run(_through([part(b"1")] * 9, Limits(stall=30)))
    assert refused.value.status_code == 408
    assert "less than 1024 bytes a second" in refused.value.detail


def test_a_stated_length_is_refused_at_once(client: TestClient) -> None:
    answer = client.post("/v1/analyses", content=b"x" * ((1 << 20) + 1), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["detail"].startswith("the request has more than 1 MB")
