from __future__ import annotations

import re
from dataclasses import replace

import pytest

from merc import edits
from merc.corrections import REQUESTS
from merc.corrections.requests import utterance_id
from merc.edits import Assign, Change, Join, Merge, Note, Relabel, Rename, Retime, Rewrite, Split
from merc.errors import InputError
from tests.edits.made_edits import talk, view


@pytest.mark.parametrize(
    ("kind", "written", "change"),
    [
        ("rename", "Speaker 1 = Anna", Rename("Speaker 1", "Anna")),
        ("rename", "Speaker 1=A=B", Rename("Speaker 1", "A=B")),
        ("merge", "Speaker 2, Speaker 3", Merge(("Speaker 2", "Speaker 3"))),
        ("label", "1=anger", Relabel("u1", "anger")),
        ("reject", "1", Relabel("u1", None)),
        ("words", "2=It is: so = so.", Rewrite("u2", "It is: so = so.")),
        ("words", "2=", Rewrite("u2", "")),
        ("speaker", "u2=Anna", Assign("u2", "Anna")),
        ("split", "2@3.4", Split("u2", 3.4)),
        ("split", "2@0:03,4", Split("u2", 3.4)),
        ("join", "1, 3", Join(("u1", "u3"))),
        ("times", "2=3.1-0:04.2", Retime("u2", 3.1, 4.2)),
        ("note", "2=loud", Note("u2", "loud")),
    ],
)
def test_a_request_is_a_change(kind: str, written: str, change: Change) -> None:
    assert REQUESTS[kind](talk(), written) == change


@pytest.mark.parametrize(
    ("kind", "written", "message"),
    [
        ("label", "12", "'12' has no '=' between two parts: expected something like --label 12=anger"),
        ("rename", "=Anna", "expected something like --rename 'Speaker 1=Anna'"),
        ("split", "2", "expected something like --split 12@3.4"),
        ("split", "2@soon", "'2@soon': 'soon' is not a time: expected seconds or hh:mm:ss.mmm"),
        ("split", "2@", "'2@' has no time: expected seconds"),
        ("times", "2=3.1", "'3.1' has no '-' between two parts"),
        ("label", "17=joy", "no utterance '17' in call.mp4"),
        ("join", "1,", "no utterance ''"),
    ],
)
def test_what_cannot_be_understood_says_what_was_expected(kind: str, written: str, message: str) -> None:
    with pytest.raises(InputError, match=re.escape(message)):
        REQUESTS[kind](talk(), written)


def test_numbers_find_ids_with_zeros_and_parts() -> None:
    made = talk()
    named = replace(made, utterances=tuple(replace(one, id=f"u000{n}") for n, one in enumerate(made.utterances, 1)))
    assert utterance_id(named, "2") == utterance_id(named, "u2") == utterance_id(named, "u0002") == "u0002"
    assert utterance_id(view(Split("u2", 3.0)), "2.2") == "u2.2"


def test_an_id_that_is_a_number_comes_before_a_number() -> None:
    made = talk()
    ids = ("u2", "2", "02", "x")
    named = replace(made, utterances=tuple(replace(one, id=n) for n, one in zip(ids, made.utterances, strict=True)))
    assert utterance_id(named, "2") == "2"
    with pytest.raises(InputError, match="no utterance '002'"):
        utterance_id(named, "002")


def test_the_order_of_requests_lets_later_ones_use_earlier_ones() -> None:
    assert list(REQUESTS)[:4] == ["rename", "merge", "split", "join"]
    assert edits.edited(talk(), Split("u2", 3.0), REQUESTS["label"](view(Split("u2", 3.0)), "2.2=joy"), by="Eve")
