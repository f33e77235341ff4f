from __future__ import annotations

import doctest

import pytest

from merc.web import words


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (words.clock(7.9), "0:07"),
        (words.clock(760), "12:40"),
        (words.clock(3723), "1:02:03"),
        (words.length(2.44), "2.4 s"),
        (words.length(59.97), "1:00 min"),
        (words.length(3599.8), "1:00:00 h"),
        (words.percent(0.0), "0%"),
        (words.percent(0.004), "<1%"),
        (words.percent(0.996), ">99%"),
        (words.percent(1.0), "100%"),
        (words.counted(1, "utterance"), "1 utterance"),
        (words.counted(2000, "utterance"), "2,000 utterances"),
        (words.listed(["a", "b", "c"]), "a, b and c"),
        (words.number(12.0), "12"),
        (words.number(100.0), "100"),
        (words.number(0.001), "0"),
        (words.fact({"a": None, "b": (True, 0.25)}), "a not set, b yes, 0.25"),
        (words.percent(0.0004, decimals=1), "0.0%"),
        (words.percent(0.025, decimals=1), "2.5%"),
    ],
)
def test_words(written: str, expected: str) -> None:
    assert written == expected


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(words).failed == 0
