"""A client that does not read what it is sent costs no memory and no place, and hears of it once it reads."""

import json
import socket
import time
from threading import Event as Flag

import pytest
from fastapi import FastAPI
from websockets.client import ClientProtocol
from websockets.frames import Opcode
from websockets.uri import parse_uri

from merc.conversation import Segment, Utterance
from merc.pipeline.live.events import PARTIAL, Event
from merc.server.live import routes
from merc.server.live.routes import live_router

from ..browser import serving

LARGE, MANY = 100_000, 60  # characters of an event, and how many there are: more than the buffers of both sides


class Client:
    """A WebSocket that reads when it is asked to."""

    def __init__(self, address):
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(20)
        self.socket.connect(address)
        self.protocol = ClientProtocol(parse_uri(f"ws://127.0.0.1:{address[1]}/v1/stream"))
        self.protocol.send_request(self.protocol.connect())
        self._send()
        while not self.protocol.events_received():
            self.protocol.receive_data(self.socket.recv(1000))

    def send(self, text):
        self.protocol.send_text(text.encode())
        self._send()

    def read(self):
        """All messages until the connection is closed."""
        found = []
        while self.protocol.close_rcvd is None:
            self.protocol.receive_data(self.socket.recv(1 << 20))
            found += [one for one in self.protocol.events_received() if one.opcode is Opcode.TEXT]
        return [json.loads(one.data) for one in found]

    def _send(self):
        self.socket.sendall(b"".join(self.protocol.data_to_send()))


@pytest.fixture
def opened():
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


@pytest.fixture
def server(streams, opened):
    app = FastAPI()
    app.include_router(live_router(streams))
    with serving(app, opened) as running:
        yield running
    streams.sessions.clear()


def waited(done):
    for _ in range(500):
        if done():
            return True
        time.sleep(0.02)
    return False


def begun(streams, opened):
    """A client with a stream that has more to say than the client reads."""
    client = Client(opened.getsockname())
    client.send('{"type": "start"}')
    assert waited(lambda: len(streams.sessions))
    (session,) = streams.sessions._open.values()
    said = Utterance("u0001", None, "a" * LARGE, Segment(0.0, 1.0))
    for number in range(MANY):
        session.stream.journal.add(Event(number + 1, PARTIAL, said, None, 1.0))
    session.wake()
    return client, session


def test_a_client_that_reads_at_last_is_told_why_it_was_disconnected(server, streams, opened, monkeypatch):
    ended, refused = routes._ended, Flag()
    monkeypatch.setattr(routes, "STALL", 1.0)
    monkeypatch.setattr(routes, "_ended", lambda *given: (refused.set(), ended(*given))[1])
    client, session = begun(streams, opened)
    assert refused.wait(20)
    assert max(one.transport.get_write_buffer_size() for one in server.server_state.connections) < 2 * LARGE
    messages = client.read()
    assert messages[-1]["event"] == "problem" and messages[-1]["status"] == 408
    assert "nothing was read for 1 s: resume the stream" in messages[-1]["detail"]
    assert client.protocol.close_rcvd.code == routes.REFUSED
    assert session in streams.sessions, "it can be resumed"


def test_a_client_that_never_reads_gives_its_place_back(server, streams, opened, monkeypatch):
    monkeypatch.setattr(routes, "STALL", 0.1)
    monkeypatch.setattr(routes, "PATIENCE", 0.1)
    begun(streams, opened)
    assert waited(lambda: not len(streams.sessions))
