"""A live analysis from samples to events, without models and with them."""

import threading

import numpy as np
import pytest

from merc import AnalyzeOptions, Recognizer, sample
from merc.conversation import Evidence
from merc.errors import InputError, MediaError
from merc.labels import EKMAN7
from merc.media.audio import decode_mono, to_float
from merc.pipeline.live import history
from merc.pipeline.live import stream as module
from merc.pipeline.live.options import StreamOptions
from merc.pipeline.live.stream import Stream

from .scenes import PEOPLE, draft, job


class Loudness:
    """A frame is speech where it is loud."""

    def __init__(self):
        self.rest = np.zeros(0, np.float32)

    def __call__(self, samples):
        sound = np.concatenate([self.rest, samples])
        frames = len(sound) // 512
        self.rest = sound[frames * 512 :]
        return [float(np.abs(row).max() > 0.1) for row in sound[: frames * 512].reshape(frames, 512)]


class Drafter:
    """Drafts at once, with the number of the stretch as its words."""

    made: list = []  # noqa: RUF012
    hold = None

    def __init__(self, job, options, second, own=None):
        Drafter.made = []

    def load(self):
        pass

    def draft(self, stretch, languages):
        if Drafter.hold is not None:
            Drafter.hold.wait(10)
        Drafter.made.append(stretch)
        return draft(stretch, f"at {stretch.segment.start:.1f}", PEOPLE[0])

    def words(self, stretch, languages):
        return [], None, {}


@pytest.fixture
def light(monkeypatch):
    """Streams without models."""
    rest = 0.1 / 6
    evidence = Evidence("text", {one: 0.9 if one == "joy" else rest for one in EKMAN7})
    monkeypatch.setattr(history, "latest_text", lambda *_: (evidence, None))
    monkeypatch.setattr(module, "StreamingVad", Loudness)
    monkeypatch.setattr(module, "Drafter", Drafter)
    monkeypatch.setattr(Drafter, "hold", None)


def tone(*spans, end):
    """Loud between the seconds of each span."""
    sound = np.zeros(int(end * 16000), np.float32)
    for first, last in spans:
        sound[int(first * 16000) : int(last * 16000)] = 0.5
    return sound


def run(sound, block=1600):
    events = []
    with Stream(job(), StreamOptions(), events.append) as stream:
        for first in range(0, len(sound), block):
            stream.feed(sound[first : first + block])
        stream.finish()
        return events, stream.timeline("talk")


def test_final_events_do_not_depend_on_the_blocks(light):
    sound = tone((1, 3), (4, 6), (6.3, 8), end=10)
    reference, timeline = run(sound)
    assert [(e.number, e.kind, e.utterance.id) for e in reference] == [(1, "final", "u0001"), (2, "final", "u0002")]
    assert [one.text for one in timeline.utterances] == ["at 1.0", "at 4.0"]
    for block in (100, 40000, len(sound)):
        again, same = run(sound, block)
        assert [e.utterance for e in again] == [e.utterance for e in reference]
        assert same == timeline


def test_speech_at_the_very_end_is_not_lost(light):
    events, timeline = run(tone((1, 3), (4, 5), end=5))
    assert [e.utterance.text for e in events] == ["at 1.0", "at 4.0"]
    assert timeline.recording.duration == 5.0


def test_what_was_drafted_at_the_pause_is_not_worked_on_again(light):
    done = threading.Event()
    with Stream(job(), StreamOptions(), lambda _: done.set()) as stream:
        stream.feed(tone((0.5, 2), end=2.3))
        for _ in range(200):
            if Drafter.made:
                break
            threading.Event().wait(0.01)
        stream.feed(np.zeros(16000, np.float32))
        assert done.wait(5)
        assert len(Drafter.made) == 1
        assert len(Drafter.made[0].samples) == pytest.approx((0.3 + 1.5 + 0.2) * 16000, abs=600)


def test_no_more_sound_is_taken_while_too_much_waits(light, monkeypatch):
    monkeypatch.setattr(Drafter, "hold", threading.Event())
    sound = tone(*((n, n + 0.4) for n in range(20)), end=20)
    events = []
    with Stream(job(), StreamOptions(behind=2), events.append) as stream:
        feeding = threading.Thread(target=lambda: [stream.feed(part) for part in np.split(sound, 200)])
        feeding.start()
        feeding.join(0.5)
        assert feeding.is_alive()
        assert stream.heard < 6
        Drafter.hold.set()
        feeding.join(10)
        stream.finish()
    assert [e.kind for e in events] == ["final"] * 20


def test_sound_that_was_heard_is_forgotten(light):
    with Stream(job(), StreamOptions(), lambda _: None) as stream:
        for _ in range(60):
            stream.feed(tone((0.2, 1.5), end=3))
            assert len(stream._sound) < 4 * 16000
        stream.finish()


def test_what_stops_the_worker_is_raised_to_the_feeder(light, monkeypatch):
    def fail(self, stretch, languages):
        raise MediaError("no")

    monkeypatch.setattr(Drafter, "draft", fail)
    with pytest.raises(MediaError, match="no"), Stream(job(), StreamOptions(), lambda _: None) as stream:
        stream.feed(tone((0.5, 1.5), end=3))
        stream.finish()


def test_samples_of_another_kind_are_refused(light):
    with Stream(job(), StreamOptions(), lambda _: None) as stream:
        with pytest.raises(InputError, match=r"shape \(2, 2\) and type float64: expected float32 of one channel"):
            stream.feed(np.zeros((2, 2)))
        stream.feed(np.full(512, np.nan, np.float32))  # silence


def test_two_real_streams_at_a_time_give_what_each_gives_alone(weight):
    weight("whisper-base", "silero-vad", "campplus", "segmentation", "mpnet")
    sound = to_float(np.asarray(decode_mono(sample.path()).samples))
    parts = [sound[: 5 * 16000], sound[15 * 16000 : 20 * 16000]]
    with Recognizer(AnalyzeOptions(language="en", threads=1)) as recognizer:
        alone = [[e for e in recognizer.stream([part]) if e.kind != "partial"] for part in parts]
        together = [[], []]
        streams = [recognizer.open_stream(found.append) for found in together]
        for stream, part in zip(streams, parts, strict=True):
            stream.feed(part)
        for stream in streams:
            stream.finish()
    assert [[(e.utterance, e.prediction) for e in one if e.kind != "partial"] for one in together] == [
        [(e.utterance, e.prediction) for e in one] for one in alone
    ]
    (first,) = [e for e in alone[0] if e.utterance.segment.start < 2]
    assert "letter came this morning" in first.utterance.text
    assert first.utterance.speaker == "Speaker 1"
    assert first.prediction.evidence[0].probabilities
    assert first.prediction.evidence[1].steps
