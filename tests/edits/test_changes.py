from __future__ import annotations

import re

import pytest

from merc.conversation import Segment, Speaker
from merc.edits import Assign, Change, Correction, Merge, Note, Relabel, Rename, Retime, Rewrite
from merc.errors import InputError
from tests.edits.made_edits import AT, talk, view


def test_a_speaker_gets_another_name_everywhere() -> None:
    made = view(Rename("Speaker 1", "Anna"))
    assert [one.speaker for one in made.utterances] == ["Anna", "Speaker 2", "Anna", "Speaker 3"]
    assert [one.id for one in made.speakers] == ["Anna", "Speaker 2", "Speaker 3"]


def test_merged_speakers_keep_the_name_of_the_first_and_the_face_of_any() -> None:
    made = view(Merge(("Speaker 3", "Speaker 2")))
    assert [one.speaker for one in made.utterances] == ["Speaker 1", "Speaker 3", "Speaker 1", "Speaker 3"]
    assert made.speakers == (talk().speakers[0], Speaker("Speaker 3", 3.0, face=True))


def test_a_label_is_set_with_who_and_when() -> None:
    made = view(Relabel("u2", "anger")).predictions[1]
    assert (made.label, made.abstained, made.reason) == ("anger", False, None)
    assert made.correction == Correction(None, "Eve", AT)
    assert (made.probabilities, made.confidence) == (talk().predictions[1].probabilities, 0.38)


def test_a_rejected_label_leaves_none() -> None:
    made = view(Relabel("u1", None)).predictions[0]
    assert (made.label, made.abstained, made.reason) == (None, True, "rejected by Eve")
    assert made.correction == Correction("joy", "Eve", AT)


def test_the_prediction_is_remembered_through_several_labels() -> None:
    made = view(Relabel("u1", "fear"), Relabel("u1", "anger")).predictions[0]
    assert made.label == "anger" and made.correction is not None and made.correction.predicted == "joy"


def test_words_keep_their_times_where_their_number_stays() -> None:
    one = view(Rewrite("u1", "How truly nice!")).utterances[0]
    assert [(word.text, word.segment.start, word.probability) for word in one.words] == [
        ("How", 0.5, None),
        ("truly", 0.7, None),
        ("nice!", 1.0, None),
    ]
    other = view(Rewrite("u1", "How nice!")).utterances[0]
    assert (other.text, other.words) == ("How nice!", ())
    assert view(Rewrite("u1", "")).utterances[0].text is None


def test_an_utterance_moves_to_another_speaker_with_its_seconds() -> None:
    made = view(Assign("u2", "Speaker 1"))
    assert made.utterances[1].speaker == "Speaker 1"
    assert [one.speaking for one in made.speakers] == [4.0, 0.0, 1.0]


def test_an_utterance_can_be_given_to_somebody_new() -> None:
    made = view(Assign("u2", "Anna"))
    assert made.speakers[-1] == Speaker("Anna", 2.0, face=False, face_reason="named by a person: no face was linked")


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ((0.5, 0.5003), "u1 would last from 0.5 to 0.5003 s: expected an end 1 ms after the start"),
        ((0.5, 75.0), "u1 would end at 75 s: expected a time within the recording, which lasts 60 s"),
    ],
)
def test_times_that_no_file_or_recording_has_are_refused(times: tuple[float, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        view(Retime("u1", *times))


def test_times_are_moved_and_the_order_follows() -> None:
    made = view(Retime("u1", 4.5, 6.0))
    assert [one.id for one in made.utterances] == ["u2", "u3", "u4", "u1"]
    assert made.utterances[3].segment == Segment(4.5, 6.0) and made.utterances[3].words == ()
    assert len(view(Retime("u1", 0.4, 1.6)).utterances[0].words) == 3


def test_a_note_is_left_and_removed() -> None:
    assert view(Note("u1", "laughs")).utterances[0].meta == {"note": "laughs"}
    assert view(Note("u1", "laughs"), Note("u1", "")).utterances[0].meta == {}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (Rename("Speaker 4", "Anna"), "no speaker 'Speaker 4' in call.mp4: did you mean 'Speaker 3'? expected one of"),
        (Rename("Speaker 1", "Speaker 2"), "there is a speaker 'Speaker 2' already; merge the two"),
        (Rename("Speaker 1", " "), "the name of a speaker is empty: expected a name"),
        (Merge(("Speaker 1", "Speaker 1")), "expected at least two different speakers"),
        (Merge(("Speaker 1", "Ben")), "no speaker 'Ben'"),
        (Relabel("u1", "angry"), "utterance u1: unknown label 'angry': did you mean 'anger'? expected one of anger,"),
        (Relabel("u9", "anger"), "no utterance 'u9' in call.mp4: "),
        (Assign("u1", ""), "the speaker of utterance u1 is empty"),
        (Retime("u1", 3.0, 1.0), "u1 would last from 3 to 1 s: expected an end 1 ms after"),
    ],
)
def test_what_cannot_be_changed_says_why(change: Change, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        view(change)
