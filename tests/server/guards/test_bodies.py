from __future__ import annotations

import asyncio
import itertools
from typing import Any

import pytest
from fastapi.testclient import TestClient

from merc.server.guards import bodies
from merc.server.guards.bodies import Bodies, ReadOut
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


async def _left(status: int, messages: list[dict[str, Any] | None], headers: dict[bytes, bytes]) -> int:
    """Messages of a body that nobody has read when an app that read the first one has answered."""
    left = list(messages)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def receive() -> Any:
        message = left.pop(0)
        if message is None:
            await asyncio.sleep(60)
        return message

    async def send(message: Any) -> None:
        return

    scope = {"type": "http", "path": "/v1/analyses", "headers": list(headers.items())}
    await ReadOut(app)(scope, receive, send)
    return len(left)


@pytest.mark.parametrize(
    ("status", "headers", "left"),
    [
        (400, {b"content-length": b"15"}, 0),
        (413, {b"transfer-encoding": b"chunked"}, 0),
        (202, {b"content-length": b"15"}, 2),
        (413, {b"content-length": b"15", b"expect": b"100-continue"}, 2),
        (413, {b"content-length": b"99999999999"}, 2),
        (404, {}, 2),
    ],
)
def test_what_is_left_of_a_refused_body_is_read_so_that_its_client_sees_the_refusal(
    status: int, headers: dict[bytes, bytes], left: int
) -> None:
    messages = [part(b"12345"), part(b"12345"), part(b"12345", more=False)]
    assert asyncio.run(_left(status, messages, headers)) == left


def test_only_so_much_and_so_long_is_read_of_a_refused_body(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "UNREAD", 12)
    monkeypatch.setattr(bodies, "PATIENCE", 0.05)
    many, chunked = [part(b"12345") for _ in range(9)], {b"transfer-encoding": b"chunked"}
    assert asyncio.run(_left(400, many, chunked)) == 5
    assert asyncio.run(_left(400, [part(b"12345"), None], chunked)) == 0
