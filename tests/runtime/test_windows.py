from __future__ import annotations

import doctest

import pytest

from merc.runtime import windows
from merc.runtime.windows import NAMINGS, spoken

TEXTS, PEOPLE = ["Hello.", " ", "Well?", None], ["Ann", None, "Ben", "Ann"]


@pytest.mark.parametrize(
    ("naming", "wanted"),
    [
        ("name", ["Ann: Hello.", "...", "Ben: Well?", "Ann: ..."]),
        ("letter", ["A: Hello.", "B: ...", "C: Well?", "A: ..."]),
        ("number", ["Speaker 1: Hello.", "...", "Speaker 2: Well?", "Speaker 1: ..."]),
        ("none", ["Hello.", "...", "Well?", "..."]),
    ],
)
def test_what_precedes_the_words_follows_the_naming(naming: str, wanted: list[str]) -> None:
    assert naming in NAMINGS
    assert spoken(TEXTS, PEOPLE, naming) == wanted


def test_every_utterance_is_scored_once_and_windows_open_with_context() -> None:
    turns = [[number] * 3 for number in range(10, 22)]
    found = windows.windows(turns, size=13, context=6)
    scored = [one.first + place for one in found for place in range(one.scored, one.utterances)]
    assert scored == list(range(12))
    assert [one.scored for one in found][1:] == [2] * (len(found) - 1)
    assert max(len(one.tokens) for one in found) <= 13


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(windows).failed == 0
