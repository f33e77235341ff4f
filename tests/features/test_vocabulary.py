"""Word numbers: known from training texts alone, everything else is number 0."""

from __future__ import annotations

import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.features.vocabulary import UNKNOWN, Vocabulary, load, words_of

TEXTS = {"a": "Oh no, no!", "b": "Oh my, no.", "c": "Oh dear, zebras.", "d": None, "e": "…"}
READ = (Conversation("d", tuple(Utterance(name, text=text) for name, text in TEXTS.items())),)


def test_words_are_lower_case_and_marks_stand_alone() -> None:
    assert words_of("I don’t — KNOW, ok?") == ["i", "don't", "—", "know", ",", "ok", "?"]


def test_frequent_words_come_first_and_rare_ones_are_unknown() -> None:
    known = Vocabulary.of(["b a a", "b a c"])
    assert known.words == ("a", "b") and len(known) == 3
    assert known.numbers("a c b").tolist() == [1, UNKNOWN, 2]


def test_words_of_test_texts_alone_are_not_in_the_vocabulary() -> None:
    made = load(READ, training=["a", "b"], least=1)
    zebras, dear = made.rows["c"][[3, 1]].tolist()
    assert zebras == dear == UNKNOWN
    assert made.rows["c"][0] == made.rows["a"][0] != UNKNOWN
    assert (made.rows["a"] != UNKNOWN).all()
    larger = load(READ, training=["a", "b", "c"], least=1)
    assert (larger.rows["c"] != UNKNOWN).all()
    assert made.width < larger.width and made.sha256 != larger.sha256


def test_a_text_without_words_has_no_row_and_the_note_counts_unknown_words() -> None:
    made = load(READ, training=["a", "b"], least=1)
    assert made.kind == "tokens" and set(made.rows) == {"a", "b", "c", "e"}
    assert made.steps("a") == 5 and made.steps("d") == 0
    assert made.notes == ("6 words of the training part; 3 of 6 other words are unknown",)


def test_no_training_text_is_refused() -> None:
    with pytest.raises(InputError, match="no word occurs 2 times in the 1 training utterances"):
        load(READ, training=["d"])
