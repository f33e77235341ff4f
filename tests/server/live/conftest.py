"""Streams without models behind a real route."""

from __future__ import annotations

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from merc import AnalyzeOptions, Recognizer
from merc.conversation import Evidence
from merc.labels import EKMAN7
from merc.pipeline.live import history
from merc.pipeline.live import stream as module
from merc.pipeline.live.options import StreamOptions
from merc.pipeline.live.stream import Stream
from merc.server.live.offline import Offline
from merc.server.live.routes import Streams, live_router
from merc.server.settings import Limits, Settings
from merc.server.store import Store

from ...pipeline.live.scenes import job
from ...pipeline.live.test_stream import Drafter, Loudness


@pytest.fixture
def light(monkeypatch):
    """Streams without models."""
    rest = 0.1 / 6
    evidence = Evidence("text", {one: 0.9 if one == "joy" else rest for one in EKMAN7})
    monkeypatch.setattr(history, "latest_text", lambda *_: (evidence, None))
    monkeypatch.setattr(module, "StreamingVad", Loudness)
    monkeypatch.setattr(module, "Drafter", Drafter)
    monkeypatch.setattr(Drafter, "hold", None)
    monkeypatch.setattr(Recognizer, "open_stream", lambda self, deliver: Stream(job(), StreamOptions(), deliver))


@pytest.fixture
def recognizer(light):
    return Recognizer(AnalyzeOptions(video=False))


@pytest.fixture
def store(tmp_path):
    return Store(Settings(tmp_path, "tests", limits=Limits(streams=2, duration=60, queued=2, free=0)))


@pytest.fixture
def streams(light, store):
    return Streams(store.settings, Offline(store))


@pytest.fixture
def client(streams):
    app = FastAPI()
    app.include_router(live_router(streams))
    with TestClient(app) as made:
        yield made
    streams.sessions.clear()


def speech(*spans, end):
    """s16le bytes, loud between the seconds of each span."""
    sound = np.zeros(int(end * 16000), "<i2")
    for first, last in spans:
        sound[int(first * 16000) : int(last * 16000)] = 16000
    return sound.tobytes()
