"""The WebSocket: events in order, nothing lost over a lost connection, and refusals in words."""

import json
import time

import pytest
from fastapi.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from merc.errors import MediaError
from merc.server.live import routes

from ...pipeline.live.test_stream import Drafter
from .conftest import speech

PATH = "/v1/stream"


def until(socket, event):
    """All messages up to one of a kind."""
    found = []
    while not found or found[-1]["event"] != event:
        found.append(json.loads(socket.receive_text()))
    return found


def sent(socket, data, size=32000):
    for first in range(0, len(data), size):
        socket.send_bytes(data[first : first + size])


def closed(socket):
    with pytest.raises(WebSocketDisconnect) as end:
        socket.receive_text()
    return end.value.code


def test_a_stream_from_start_to_end(client):
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "start"})
        (ready,) = until(socket, "ready")
        assert ready["received"] == 0
        data = speech((1, 2), (3, 4), (5, 6), end=8)
        sent(socket, data)
        socket.send_json({"type": "stop"})
        messages = until(socket, "end")
        assert [one["id"] for one in messages if "id" in one] == [1, 2, 3]
        assert [one["utterance"]["text"] for one in messages if one["event"] == "final"] == [
            "at 1.0",
            "at 3.0",
            "at 5.0",
        ]
        assert max(one["bytes"] for one in messages if one["event"] == "received") <= len(data)
        assert len(messages[-1]["timeline"]["utterances"]) == 3
        assert closed(socket) == routes.NORMAL


def test_a_lost_connection_loses_nothing(client):
    data = speech(*((n, n + 0.4) for n in range(1, 9)), end=10)
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "start"})
        session = until(socket, "ready")[0]["session"]
        sent(socket, data[:150_000])
        seen = [until(socket, "final")[-1]]
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "resume", "session": session, "last_id": seen[-1]["id"]})
        (ready,) = until(socket, "ready")
        sent(socket, data[ready["received"] :])
        socket.send_json({"type": "stop"})
        messages = until(socket, "end")
    seen += [one for one in messages if one["event"] == "final"]
    assert [one["id"] for one in seen] == list(range(1, 9))
    assert [one["utterance"]["text"] for one in seen] == [f"at {n:.1f}" for n in range(1, 9)]
    with client.websocket_connect(PATH) as socket:  # the end can be fetched again
        socket.send_json({"type": "resume", "session": session, "last_id": 7})
        assert [one["event"] for one in until(socket, "end")] == ["ready", "final", "end"]


def test_another_connection_replaces_the_former(client):
    with client.websocket_connect(PATH) as first:
        first.send_json({"type": "start"})
        session = until(first, "ready")[0]["session"]
        with client.websocket_connect(PATH) as second:
            second.send_json({"type": "resume", "session": session})
            until(second, "ready")
            assert closed(first) == routes.REPLACED


def test_two_streams_do_not_mix_and_a_third_is_refused(client):
    with client.websocket_connect(PATH) as one, client.websocket_connect(PATH) as two:
        for socket in (one, two):
            socket.send_json({"type": "start"})
            until(socket, "ready")
        sent(one, speech((1, 2), end=4))
        sent(two, speech((2, 3), end=5))
        with client.websocket_connect(PATH) as three:
            three.send_json({"type": "start"})
            refused = until(three, "problem")[0]
            assert refused["status"] == 429
            assert refused["detail"] == "2 streams are open, of at most 2: try again later"
            assert closed(three) == routes.LATER
        for socket, text in ((one, "at 1.0"), (two, "at 2.0")):
            socket.send_json({"type": "stop"})
            messages = until(socket, "end")
            assert [m["utterance"]["text"] for m in messages if m["event"] == "final"] == [text]


def test_a_client_that_stays_away_is_forgotten(client, streams, monkeypatch):
    monkeypatch.setattr(routes, "PATIENCE", 0.05)
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "start"})
        session = until(socket, "ready")[0]["session"]
    for _ in range(100):
        if not len(streams.sessions):
            break
        time.sleep(0.02)
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "resume", "session": session})
        refused = until(socket, "problem")[0]
        assert refused["status"] == 404 and session in refused["detail"]


@pytest.mark.parametrize(
    ("first", "words"),
    [
        ("hello", "expected a control message"),
        ('{"type": "stop"}', "'stop' came before 'start'"),
        ('{"type": "start", "rate": 5}', "rate is 5"),
        ('{"type": "start", "options": {"language": "12"}}', "language is '12'"),
        ('{"type": "start", "options": {"voices": true}}', "this server names nobody; leave it out, or start it with"),
        ('{"type": "start", "options": {"system": "clinic"}}', "system 'clinic' is not offered by this server"),
        (b"\x00\x00", "sound came before the first message"),
    ],
)
def test_wrong_beginnings_are_refused_in_words(client, streams, first, words):
    with client.websocket_connect(PATH) as socket:
        socket.send_bytes(first) if isinstance(first, bytes) else socket.send_text(first)
        refused = until(socket, "problem")[0]
        assert refused["status"] == 422 and words in refused["detail"]
        assert closed(socket) == routes.REFUSED
    assert not len(streams.sessions)


@pytest.mark.parametrize(
    ("message", "words"),
    [('{"type": "start"}', "'start' came within a stream"), ("x", "invalid json"), (bytes(2 << 20), "at most 1048576")],
)
def test_wrong_messages_within_a_stream(client, message, words):
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "start"})
        until(socket, "ready")
        socket.send_bytes(message) if isinstance(message, bytes) else socket.send_text(message)
        assert words in until(socket, "problem")[-1]["detail"]


def test_what_stops_the_analysis_is_said(client, monkeypatch):
    def fail(self, stretch, languages):
        raise MediaError("cannot go on")

    monkeypatch.setattr(Drafter, "draft", fail)
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "start"})
        until(socket, "ready")
        socket.send_bytes(speech((0.5, 1), end=3))
        socket.send_json({"type": "stop"})
        assert until(socket, "problem")[-1]["detail"] == "cannot go on"
        assert closed(socket) == routes.REFUSED


def test_a_request_that_is_no_websocket_is_told_so(client):
    with TestClient(client.app) as plain:
        refused = plain.get(PATH)
    assert (refused.status_code, refused.headers["upgrade"]) == (426, "websocket")


def test_a_client_without_a_first_message(client, monkeypatch):
    monkeypatch.setattr(routes, "_FIRST", 0.05)
    with client.websocket_connect(PATH) as socket:
        assert until(socket, "problem")[0]["status"] == 408
