"""The list of edits: what is kept, in which order it is applied, and undoing."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import edits
from merc.edits import Assign, Correction, Edit, Join, Merge, Note, Relabel, Rename, Retime, Rewrite, Split
from merc.errors import InputError
from tests.edits.made_edits import AT, edited, talk, view


def test_what_the_model_predicted_stays_beside_what_a_person_said() -> None:
    made = edits.edited(talk(), Relabel("u1", "surprise"), Rename("Speaker 1", "Anna"), by="Eve", at=AT)
    assert (made.utterances, made.predictions, made.speakers) == (
        talk().utterances,
        talk().predictions,
        talk().speakers,
    )
    assert made.edits == (Edit(Relabel("u1", "surprise"), "Eve", AT), Edit(Rename("Speaker 1", "Anna"), "Eve", AT))
    corrected = made.corrected
    assert corrected.predictions[0].label == "surprise"
    assert corrected.predictions[0].correction == Correction("joy", "Eve", AT)
    assert corrected.edits == ()


def test_a_timeline_without_edits_is_its_own_correction() -> None:
    made = talk()
    assert made.corrected is made


def test_later_edits_see_earlier_ones() -> None:
    made = view(Split("u2", 3.0), Rewrite("u2.2", "really?"), Join(("u2", "u2.2")))
    assert [one.text for one in made.utterances] == ["How very nice!", "Is it really?", "Yes.", "I left."]
    with pytest.raises(InputError, match=re.escape("no utterance 'u2.2'")):
        view(Rewrite("u2.2", "really?"), Split("u2", 3.0))


def test_undoing_takes_back_what_was_edited_together() -> None:
    first = edits.edited(talk(), Relabel("u1", "fear"), by="Eve", at="2026-01-01T00:00:00Z")
    second = edits.edited(first, Rename("Speaker 1", "Anna"), Relabel("u1", "joy"), by="Eve", at="2026-01-02T00:00:00Z")
    other = edits.edited(second, Relabel("u1", "anger"), by="Max", at="2026-01-02T00:00:00Z")
    assert edits.undone(other) == second
    assert edits.undone(second) == first
    assert edits.undone(first) == talk()
    with pytest.raises(InputError, match=re.escape("call.mp4 has no edit that could be undone")):
        edits.undone(talk())


def test_an_edit_that_cannot_be_made_is_not_kept() -> None:
    with pytest.raises(InputError, match="no speaker 'Nobody'"):
        edits.edited(talk(), Rename("Nobody", "Anna"), by="Eve")
    with pytest.raises(InputError, match="the name of who makes an edit is empty: expected a name"):
        edits.edited(talk(), Relabel("u1", "joy"), by=" ")


def test_the_time_of_an_edit_is_in_utc() -> None:
    [edit] = edits.edited(talk(), Relabel("u1", "joy"), by="Eve").edits
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", edit.at)


@settings(max_examples=30, deadline=None, derandomize=True)
@given(st.data())
def test_any_edits_leave_a_timeline_in_order_and_the_prediction_untouched(data: st.DataObject) -> None:
    made = data.draw(edited(talk()))
    assert replace(made, edits=()) == talk()
    corrected = made.corrected
    starts = [one.segment.start for one in corrected.utterances if one.segment]
    assert starts == sorted(starts)
    assert len({one.id for one in corrected.utterances}) == len(corrected)
    assert all(guess.abstained == (guess.label is None) for guess in corrected.predictions)


def test_each_edit_has_a_sentence() -> None:
    changes = (
        (Rename("Speaker 1", "Anna"), "speaker 'Speaker 1' is 'Anna'"),
        (Merge(("A", "B")), "speakers 'A', 'B' are one, 'A'"),
        (Relabel("u1", "fear"), "u1: label fear"),
        (Relabel("u1", None), "u1: label rejected"),
        (Rewrite("u1", "Oh."), "u1: words 'Oh.'"),
        (Assign("u1", "Anna"), "u1: speaker 'Anna'"),
        (Retime("u1", 1, 2.5), "u1: from 1.000 to 2.500 s"),
        (Split("u1", 1.25), "u1: split at 1.250 s"),
        (Join(("u1", "u2")), "u1, u2: joined"),
        (Note("u1", "loud"), "u1: note 'loud'"),
        (Note("u1", ""), "u1: note removed"),
    )
    assert [change.sentence for change, _ in changes] == [sentence for _, sentence in changes]
