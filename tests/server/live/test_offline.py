"""The offline analysis of a stream: a job like all others, whose result is the stream's end."""

import time

import soundfile

from merc.server.live import routes
from merc.server.queue import Job

from ..answering import Answering
from .conftest import speech
from .test_routes import PATH, closed, until

START = {"type": "start", "then_analyze": True, "options": {"language": "de"}}


def heard(socket):
    """Begin a stream of two seconds and end it; gives the id of its offline analysis."""
    socket.send_json(START)
    until(socket, "ready")
    socket.send_bytes(speech((0.5, 1), end=2))
    socket.send_json({"type": "stop"})
    return until(socket, "analysis")[-1]["analysis"]


def waited(done):
    for _ in range(200):
        if done():
            return True
        time.sleep(0.02)
    return False


def test_the_timeline_is_that_of_a_worker_and_goes_with_the_stream(client, streams, store, monkeypatch):
    monkeypatch.setattr(routes, "PATIENCE", 0.05)
    with client.websocket_connect(PATH) as socket:
        job = store.queue.get(heard(socket))
        assert (job.state, job.transient, job.options) == ("queued", True, {"language": "de"})
        assert soundfile.info(store.recording(job)).frames == 32000
        assert not list(store.incoming.iterdir())
        with Answering(store):
            end = until(socket, "end")[-1]
        assert [one["text"] for one in end["timeline"]["utterances"]] == ["How nice!"]
        assert closed(socket) == routes.NORMAL
    assert waited(lambda: not store.folder(job.id).exists())
    assert store.queue.get(job.id) is None


def test_the_job_outlives_the_server(client, streams, store):
    with client.websocket_connect(PATH) as socket:
        id_ = heard(socket)
        streams.close()
        assert store.queue.get(id_).state == "queued"
        assert store.recording(store.queue.get(id_)).is_file()


def test_why_it_failed_is_said(client, store):
    with client.websocket_connect(PATH) as socket, Answering(store, "stream.wav: no speech"):
        heard(socket)
        refused = until(socket, "problem")[-1]
        assert (refused["status"], refused["detail"]) == (422, "stream.wav: no speech")


def test_a_stream_that_could_not_be_analysed_at_its_end_is_refused_at_its_beginning(client, store):
    for _ in range(2):
        store.queue.add(Job("talk.wav"), most=2)
    with client.websocket_connect(PATH) as socket:
        socket.send_json(START)
        refused = until(socket, "problem")[0]
        assert refused["status"] == 429 and "2 analyses wait or run" in refused["detail"]
        assert closed(socket) == routes.LATER


def test_a_stream_that_has_begun_is_analysed_however_many_wait(client, store):
    with client.websocket_connect(PATH) as socket:
        socket.send_json(START)
        until(socket, "ready")
        for _ in range(2):
            store.queue.add(Job("talk.wav"), most=2)
        socket.send_bytes(speech((0.5, 1), end=2))
        socket.send_json({"type": "stop"})
        assert store.queue.get(until(socket, "analysis")[-1]["analysis"]).state == "queued"
