"""Sessions: bytes in, events kept, one client after the other."""

import io
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event

import numpy as np
import pytest
import soundfile

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
        session.write(data[first : first + 5001], 0)
    assert session.received == len(data)
    session.finish()
    assert [one["utterance"]["text"] for one in session.events(0)] == ["at 1.0", "at 3.0"]
    assert session.end["event"] == "end"
    assert len(session.end["timeline"]["utterances"]) == 2
    before = session.end
    session.finish()
    assert session.end is before
    with pytest.raises(InputError, match="has ended"):
        session.write(b"xx", 0)


def test_a_container_is_decoded_as_it_comes(recognizer):
    file = io.BytesIO()
    sound = np.zeros(5 * 16000, np.float32)
    sound[16000:32000] = np.sin(np.arange(16000) / 5) / 2
    soundfile.write(file, sound, 16000, format="OGG", subtype="OPUS")
    session = Session(Start(type="start", format="container"), recognizer, None, longest=60.0)
    data = file.getvalue()
    for first in range(0, len(data), 1000):
        session.write(data[first : first + 1000], 0)
    session.finish()
    (one,) = session.events(0)
    assert one["utterance"]["start"] == pytest.approx(1, abs=0.1)
    session.close()


def test_what_is_no_container_is_said(recognizer):
    session = Session(Start(type="start", format="container"), recognizer, None, longest=60.0)
    session.write(b"hello", 0)
    with pytest.raises(MediaError, match="the stream: not a container"):
        session.finish()
    session.close()


def test_a_stream_that_is_too_long_is_refused(recognizer):
    session = Session(START, recognizer, None, longest=1.0)
    session.write(speech(end=1.5), 0)
    with pytest.raises(InputError, match="longer than 1 s"):
        session.write(speech(end=1), 0)
    session.close()


def test_the_sound_is_kept_for_the_offline_analysis_alone(recognizer, tmp_path):
    sound = tmp_path / "stream.wav"
    session = Session(Start(type="start", then_analyze=True), recognizer, None, longest=60.0, sound=sound)
    session.write(speech((0.5, 1), end=2), 0)
    assert session.finish() and not session.finish()
    assert soundfile.info(sound).frames == 32000
    assert session.end is None, "it comes from the offline analysis"
    session.close()
    assert not sound.exists()


def test_a_new_connection_takes_over_and_the_former_is_woken(session):
    woken = []
    assert session.attach(lambda: woken.append("first")) == (1, 0)
    assert session.attach(lambda: woken.append("second")) == (2, 0)
    assert woken == ["first"]


def test_a_new_connection_is_told_what_the_former_one_was_still_writing(session, monkeypatch):
    """Else its client would send that again, and it would be heard twice."""
    number, _ = session.attach(lambda: None)
    data, begun, go_on = speech(end=1), Event(), Event()
    feed = session.stream.feed
    monkeypatch.setattr(session.stream, "feed", lambda block: (begun.set(), go_on.wait(10), feed(block)))
    with ThreadPoolExecutor(2) as pool:
        writing = pool.submit(session.write, data, number)
        assert begun.wait(10)
        attached = pool.submit(session.attach, lambda: None)
        assert not wait([attached], timeout=0.1).done, "it waits for the bytes that are being taken"
        go_on.set()
        assert attached.result(10) == (number + 1, len(data))
        writing.result(10)
    session.write(data, number)
    assert session.received == len(data), "bytes that come late over the former connection are dropped"


def test_a_connection_can_come_while_the_rest_is_judged(session, monkeypatch):
    judged, go_on = Event(), Event()
    finish = session.stream.finish
    monkeypatch.setattr(session.stream, "finish", lambda: (judged.set(), go_on.wait(10), finish()))
    with ThreadPoolExecutor(1) as pool:
        ending = pool.submit(session.finish)
        assert judged.wait(10)
        assert session.attach(lambda: None) == (1, 0)
        with pytest.raises(InputError, match="has ended"):
            session.write(b"xx", 1)
        go_on.set()
        ending.result(10)
    assert session.end["event"] == "end"


def test_sessions_belong_to_their_client(session):
    sessions = Sessions(3)
    sessions.add(session)
    assert sessions.find(session.id, "anna") is session
    assert sessions.find(session.id, None) is None
    assert sessions.find("x", "anna") is None
    sessions.remove(session)
    sessions.remove(session)
    assert len(sessions) == 0
