"""Rows, damage and resuming, whatever runs the function."""

import doctest

import pytest

from merc.errors import OutputError, WeightError
from merc.execution import executor
from merc.execution.executor import Row, attempt, resumed

from .functions import Rows, act


def test_a_row_holds_a_result_or_a_reason():
    assert attempt(act, ("word",)).result[0] == "word"
    assert attempt(act, ("word",)).ok
    refused = attempt(act, ("refuse",))
    assert (refused.ok, refused.result, refused.reason) == (False, None, "item 'refuse': expected another")
    assert attempt(act, ("damage",)).reason == "ZeroDivisionError: by zero"


@pytest.mark.parametrize(("word", "error"), [("weights", WeightError), ("disk", OutputError)])
def test_what_no_item_causes_is_raised(word, error):
    with pytest.raises(error):
        attempt(act, (word,))


def test_a_fault_of_the_program_is_raised():
    def wrong(item):
        raise TypeError("a bug")

    with pytest.raises(TypeError, match="a bug"):
        attempt(wrong, 1)


def test_kept_rows_come_first_and_are_not_run_again():
    kept = Rows(Row(2, "two"), Row(3, reason="bad"))
    rows = list(resumed(lambda left: (Row(item, item * 10) for item in left), [1, 2, 3, 4], kept))
    assert rows == [Row(2, "two", kept=True), Row(3, reason="bad", kept=True), Row(1, 10), Row(4, 40)]
    assert kept.saved == [1, 4]


def test_equal_items_are_run_once():
    assert [row.item for row in resumed(lambda left: map(Row, left), [1, 2, 1], None)] == [1, 2]


def test_a_row_is_saved_before_it_is_yielded():
    kept = Rows()  # of length 0, which is not "nowhere"
    next(resumed(lambda left: (Row(item, item) for item in left), [1, 2], kept))
    assert kept.saved == [1]


def test_the_examples_of_the_docstrings_hold():
    assert doctest.testmod(executor).failed == 0
