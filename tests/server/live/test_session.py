"""Sessions: bytes in, events kept, one client after the other."""

import io

import numpy as np
import pytest
import soundfile

from merc import Recognizer
from merc.errors import InputError, MediaError
from merc.server.live.messages import Start
from merc.server.live.session import Session, Sessions

from .conftest import speech

START = Start(type="start")


@pytest.fixture
def session(recognizer):
    made = Session(START, recognizer, "anna", longest=60.0)
    yield made
    made.close()


def test_bytes_are_counted_and_the_end_holds_the_timeline(session):
    data = speech((1, 2), (3, 4), end=5)
    for first in range(0, len(data), 5001):
        session.write(data[first : first + 5001])
    assert session.received == len(data)
    session.finish()
    assert [one["utterance"]["text"] for one in session.events(0)] == ["at 1.0", "at 3.0"]
    assert session.end["event"] == "end"
    assert len(session.end["timeline"]["utterances"]) == 2
    before = session.end
    session.finish()
    assert session.end is before
    with pytest.raises(InputError, match="has ended"):
        session.write(b"xx")


def test_a_container_is_decoded_as_it_comes(recognizer):
    file = io.BytesIO()
    sound = np.zeros(5 * 16000, np.float32)
    sound[16000:32000] = np.sin(np.arange(16000) / 5) / 2
    soundfile.write(file, sound, 16000, format="OGG", subtype="OPUS")
    session = Session(Start(type="start", format="container"), recognizer, None, longest=60.0)
    data = file.getvalue()
    for first in range(0, len(data), 1000):
        session.write(data[first : first + 1000])
    session.finish()
    (one,) = session.events(0)
    assert one["utterance"]["start"] == pytest.approx(1, abs=0.1)
    session.close()


def test_what_is_no_container_is_said(recognizer):
    session = Session(Start(type="start", format="container"), recognizer, None, longest=60.0)
    session.write(b"hello")
    with pytest.raises(MediaError, match="the stream: not a container"):
        session.finish()
    session.close()


def test_a_stream_that_is_too_long_is_refused(recognizer):
    session = Session(START, recognizer, None, longest=1.0)
    session.write(speech(end=1.5))
    with pytest.raises(InputError, match="longer than 1 s"):
        session.write(speech(end=1))
    session.close()


def test_the_offline_analysis_gets_all_of_the_sound(recognizer, monkeypatch):
    seen = []
    monkeypatch.setattr(Recognizer, "analyze", lambda self, path: seen.append(path) or pytest.fail("analysed"))
    session = Session(Start(type="start", then_analyze=True), recognizer, None, longest=60.0)
    session.write(speech((0.5, 1), end=2))

    def analyze(self, path):
        seen.append(len(soundfile.read(path)[0]))
        return session.stream.timeline("again")

    monkeypatch.setattr(Recognizer, "analyze", analyze)
    session.finish()
    assert seen == [32000]
    assert session.end["timeline"]["recording"]["name"] == "again"
    session.close()


def test_a_new_connection_takes_over_and_the_former_is_woken(session):
    woken = []
    assert session.attach(lambda: woken.append("first")) == 1
    assert session.attach(lambda: woken.append("second")) == 2
    assert woken == ["first"]


def test_sessions_belong_to_their_client(session):
    sessions = Sessions(3)
    sessions.add(session)
    assert sessions.find(session.id, "anna") is session
    assert sessions.find(session.id, None) is None
    assert sessions.find("x", "anna") is None
    sessions.remove(session)
    sessions.remove(session)
    assert len(sessions) == 0
