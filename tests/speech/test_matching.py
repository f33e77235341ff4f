from __future__ import annotations

import time

import pytest

from merc.speech.align import similarity
from merc.speech.matching import Pair, has_words, match, spoken_words, tokens


@pytest.mark.parametrize(
    ("word", "plain"),
    [
        ("Yeah!", "yeah"),
        ("$10", "ten dollars"),
        ("1,250", "one thousand two hundred fifty"),
        ("1995", "nineteen ninety five"),
        ("2005", "two thousand five"),
        ("21st", "twenty first"),
        ("20th", "twentieth"),
        ("3.5%", "three point five percent"),
        ("can't", "can not"),
        ("Don’t", "do not"),
        ("who's", "who is"),
        ("'cause", "because"),
        ("Bye-bye.", "bye bye"),
        ("you...twenty", "you twenty"),
        ("O'Brien", "obrien"),
        ("—", ""),
        ("Café", "café"),
        ("日本", "日 本"),
    ],
)
def test_words_have_one_plain_form(word, plain):
    assert " ".join(tokens(word)) == plain


def test_what_nobody_says_is_no_word():
    assert spoken_words("[laughs] <i>Oh - no!</i> (SIGHS) ♪ {beat}") == ["Oh", "no!"]


def test_notes_signs_and_numbers_are_no_words():
    no = [
        "[music]",
        "♪♪",
        "♪ la la ♪",
        "(inaudible)",
        "[laughter] (sighs)",
        "…",
        "...",
        "--",
        "—",
        "12",
        "*laughs*",
        "",
    ]
    assert [text for text in no if has_words(text)] == []
    assert all(map(has_words, ["Mm.", "[laughs] Yes", "哈哈", "Nummer 5", "♪ I said ♪ no"]))
    assert not has_words(None)


@pytest.mark.parametrize("sign", ["<", "(", "[", "{", "*", "♪"])
def test_signs_that_never_close_cost_linear_time(sign):
    began = time.process_time()
    spoken_words(sign * 300_000)
    spoken_words(f"{sign}a " * 100_000)
    assert time.process_time() - began < 8  # the square of 300,000 took more than a minute


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ("Yeah!", "Yeah, it really has been great, too.", 0.1111),
        ("same", "same", 1.0),
        ("", "", 1.0),
        ("", "something", 0.0),
        ("kitten", "sitting", 0.5714),
    ],
)
def test_similarity_is_that_of_the_source_paper(a, b, expected):
    assert round(similarity(a, b), 4) == expected


def test_equal_and_misheard_tokens_pair_up_and_unlike_ones_do_not():
    assert match(["mon", "i", "wish"], ["mom", "i", "wish"])[0] == Pair(0, 0, False)
    assert match(["elephant", "b", "a"], ["zzz", "a"]) == [Pair(2, 1, True)]


def test_a_substitute_between_equal_tokens_is_the_same_word():
    assert match(["i", "have", "elephants", "today"], ["i", "have", "zzz", "today"])[2] == Pair(2, 2, False)
