from __future__ import annotations

import re

import pytest

from merc.conversation import Segment
from merc.edits import ESTIMATED, Assign, Change, Correction, Join, Relabel, Rewrite, Split
from merc.errors import InputError
from tests.edits.made_edits import AT, view


def test_a_split_goes_by_the_times_of_the_words() -> None:
    one, other, *_ = view(Split("u1", 0.9)).utterances
    assert (one.id, one.text, one.segment) == ("u1", "How very", Segment(0.5, 0.9))
    assert (other.id, other.text, other.segment, other.speaker) == ("u1.2", "nice!", Segment(0.9, 1.5), "Speaker 1")
    assert [word.text for word in one.words] == ["How", "very"] and [word.text for word in other.words] == ["nice!"]
    assert "words" not in one.meta


def test_without_times_of_words_a_split_goes_by_time_and_says_so() -> None:
    _, one, other, *_ = view(Split("u2", 2.5)).utterances
    assert (one.text, other.text) == ("Is", "it really, now")
    assert one.meta["words"] == other.meta["words"] == ESTIMATED


def test_ids_of_parts_are_free() -> None:
    made = view(Split("u2", 3.0), Split("u2", 2.5), Split("u2.2", 3.5))
    assert [one.id for one in made.utterances] == ["u1", "u2", "u2.3", "u2.2", "u2.2.2", "u3", "u4"]


def test_parts_have_no_prediction_because_the_model_judged_the_whole() -> None:
    made = view(Split("u3", 4.4)).predictions
    for part in made[2:4]:
        assert (part.label, part.probabilities, part.abstained) == (None, None, True)
        assert part.reason == "split by Eve: the model judged the whole utterance"


def test_the_label_of_a_person_stays_with_the_parts() -> None:
    made = view(Relabel("u3", "fear"), Split("u3", 4.4)).predictions
    assert [(part.label, part.correction) for part in made[2:4]] == [("fear", Correction(None, "Eve", AT))] * 2


def test_joined_utterances_are_one_with_all_words() -> None:
    made = view(Join(("u3", "u1")))
    assert [one.id for one in made.utterances] == ["u1", "u2", "u4"]
    one, guess = made.utterances[0], made.predictions[0]
    assert (one.text, one.segment, len(one.words)) == ("How very nice! Yes.", Segment(0.5, 5.0), 3)
    assert (guess.label, guess.reason) == (None, "joined by Eve: the model judged the parts")


def test_joining_what_was_split_gives_the_utterance_back() -> None:
    made = view(Split("u1", 0.9), Join(("u1", "u1.2")))
    assert list(made) == list(view())
    labelled = view(Split("u1", 0.9), Join(("u1", "u1.2")), Relabel("u1", "fear"))
    assert labelled == view(Relabel("u1", "fear"))
    assert view(Relabel("u1", "fear"), Split("u1", 0.9), Join(("u1", "u1.2"))) == labelled
    moved = view(Split("u1", 0.9), Join(("u1", "u1.2")), Rewrite("u1", "How good!"))
    assert moved.predictions[0] == view(Rewrite("u1", "How good!")).predictions[0]


def test_the_same_label_of_all_parts_stays() -> None:
    made = view(Relabel("u1", "fear"), Relabel("u3", "fear"), Join(("u1", "u3")))
    assert made.predictions[0].label == "fear"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            (Split("u2", 2.0003),),
            "utterance u2 cannot be split at 2.0003 s: its time is 2 to 4 s; expected a time within",
        ),
        ((Split("u2", 4.0),), "utterance u2 cannot be split at 4 s: its time is 2 to 4 s; expected a time within"),
        ((Split("u4", 4.0),), "its time is unknown"),
        ((Join(("u1", "u1")),), "cannot join u1, u1: expected at least two different utterances"),
        ((Join(("u1", "u2")),), "cannot join u1, u2: they have several speakers; give all of them to one first"),
        ((Assign("u2", "Speaker 1"), Join(("u1", "u3"))), "others of the same speaker are between them"),
        ((Relabel("u1", "fear"), Join(("u1", "u3"))), "people labelled them differently; give all the same label"),
        ((Relabel("u1", "fear"), Relabel("u3", None), Join(("u1", "u3"))), "people labelled them differently"),
        ((Join(("u1", "u7")),), "no utterance 'u7'"),
    ],
)
def test_what_cannot_be_cut_or_joined_says_why(changes: tuple[Change, ...], message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        view(*changes)


def test_a_part_without_words_has_no_text() -> None:
    made = view(Rewrite("u3", "Yes"), Split("u3", 4.9))
    assert [one.text for one in made.utterances[2:4]] == ["Yes", None]
