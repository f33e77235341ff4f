from __future__ import annotations

import re
from dataclasses import replace

import pytest

from merc.conversation import Utterance
from merc.edits import view
from merc.errors import InputError
from tests.edits.made_edits import talk
from tests.formats.made_timelines import timeline


def test_names_are_those_listed_and_those_who_speak() -> None:
    made = replace(talk(), speakers=talk().speakers[2:])
    assert view.names(made) == ("Speaker 3", "Speaker 1", "Speaker 2")


def test_an_unknown_utterance_is_named_with_the_ids_that_exist() -> None:
    with pytest.raises(InputError, match=re.escape("no utterance 'u44' in call.mp4: did you mean 'u4'?")):
        view.position(talk(), "u44")
    with pytest.raises(InputError, match="expected one of its 0 ids$"):
        view.position(timeline(), "u1")


def test_an_utterance_without_a_time_stays_behind_the_one_before_it() -> None:
    made = talk()
    moved = view.spliced(made, 0, 4, [(made.utterances[n], made.predictions[n]) for n in (1, 3, 0, 2)])
    assert [one.id for one in view.in_order(moved).utterances] == ["u1", "u2", "u4", "u3"]


def test_changing_an_utterance_leaves_its_prediction() -> None:
    made = view.changed(talk(), 1, Utterance("x"))
    assert made.utterances[1].id == "x" and made.predictions == talk().predictions
