"""Events on disk: replayed from any number, and at the end the timeline."""

from dataclasses import replace

import pytest

from merc.conversation import Prediction, Recording, Segment, Timeline, Utterance, Word
from merc.pipeline.live.events import FINAL, PARTIAL, REVISION, Event
from merc.pipeline.live.journal import Journal

JOY = Prediction({"joy": 0.75, "neutral": 0.25}, "joy", 0.75, abstained=False)
SAID = Utterance("u0001", "Speaker 1", "Hello there.", Segment(1, 2), (Word("Hello", Segment(1, 1.5), 0.9),))
BASE = Timeline(Recording("talk", "0" * 64, 9.0, has_audio=True, has_video=False), (), (), labels=("joy", "neutral"))


@pytest.fixture
def journal():
    made = Journal()
    made.add(Event(1, PARTIAL, replace(SAID, speaker=None, text="Hello"), None, 1.6))
    made.add(Event(2, FINAL, SAID, JOY, 2.5))
    made.add(Event(3, FINAL, replace(SAID, id="u0002", segment=Segment(3, 4)), JOY, 4.5))
    made.add(Event(4, REVISION, replace(SAID, speaker="Speaker 2"), replace(JOY, confidence=0.5), 4.5))
    yield made
    made.close()


def test_events_are_replayed_after_any_of_them(journal):
    assert [one["id"] for one in journal.since(0)] == [1, 2, 3, 4]
    assert [one["id"] for one in journal.since(3)] == [4]
    assert list(journal.since(4)) == []
    partial = next(journal.since(0))
    assert partial["event"] == "partial"
    assert partial["heard"] == 1.6
    assert sorted(partial["utterance"]) == ["end", "id", "speaker", "start", "text", "words"]


def test_an_event_that_is_added_while_others_are_read_is_not_lost(journal):
    reading = journal.since(2)
    assert next(reading)["id"] == 3
    journal.add(Event(5, FINAL, replace(SAID, id="u0003"), JOY, 9.0))
    assert [one["id"] for one in reading] == [4]
    assert [one["id"] for one in journal.since(4)] == [5]


def test_the_timeline_holds_the_latest_of_each_utterance(journal):
    made = journal.timeline(BASE)
    assert [one.id for one in made.utterances] == ["u0001", "u0002"]
    assert made.utterances[0].speaker == "Speaker 2"
    assert made.predictions[0].confidence == 0.5
    assert made.utterances[1].words == replace(SAID, segment=Segment(3, 4)).words
    assert [(one.id, one.speaking) for one in made.speakers] == [("Speaker 2", 1.0), ("Speaker 1", 1.0)]
    assert made.recording == BASE.recording
