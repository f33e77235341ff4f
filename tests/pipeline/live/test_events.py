"""Events as JSON."""

import json

from merc.conversation import Evidence, Prediction, Segment, Utterance, Word
from merc.pipeline.live.events import FINAL, PARTIAL, Event

SAID = Utterance("u0003", "Speaker 1", "Oh no.", Segment(1.00049, 2), (Word("Oh", Segment(1.1, 1.5), 0.91234567),))


def test_a_final_event_holds_the_utterance_as_a_timeline_does():
    evidence = (Evidence("text", {"joy": 0.25, "anger": 0.75}), Evidence("face", missing="no picture"))
    record = Event(7, FINAL, SAID, Prediction({"joy": 1.0}, "joy", 1.0, False, None, evidence), 2.75).record()
    assert (record["id"], record["event"], record["heard"]) == (7, "final", 2.75)
    said = record["utterance"]
    assert (said["start"], said["label"], said["confidence"]) == (1.0, "joy", 1.0)
    assert said["words"] == [{"text": "Oh", "start": 1.1, "end": 1.5, "probability": 0.9123}]
    assert [part["missing"] for part in said["evidence"]] == [None, "no picture"]
    assert json.loads(json.dumps(record)) == record


def test_a_partial_event_has_no_label():
    record = Event(1, PARTIAL, SAID, None, 1.5).record()
    assert "label" not in record["utterance"]
    assert record["utterance"]["text"] == "Oh no."
