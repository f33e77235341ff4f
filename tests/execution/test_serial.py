"""Items one after the other in this process."""

import doctest
import os

import pytest

from merc.errors import WeightError
from merc.execution import Row, Serial, serial

from .functions import Rows, act, make


def test_rows_come_in_the_order_given_from_this_process():
    rows = list(Serial().map(make, [("b",), ("refuse",), ("a",)]))
    assert [row.item[0] for row in rows] == ["b", "refuse", "a"]
    assert rows[0].result == ("b", os.getpid())
    assert rows[1].reason == "item 'refuse': expected another"


def test_the_function_is_built_only_when_something_is_left_to_run():
    def no_need():
        raise AssertionError("built")

    kept = Rows(Row(("a",), "known"))
    assert [row.result for row in Serial().map(no_need, [("a",)], kept=kept)] == ["known"]
    assert [row.result[0] for row in Serial().map(lambda: act, [("a",), ("b",)], kept=kept) if not row.kept] == ["b"]


def test_what_no_item_causes_ends_the_run():
    rows = Serial().map(make, [("a",), ("weights",), ("b",)])
    assert next(rows).ok
    with pytest.raises(WeightError, match="weight 'mtcnn' is missing"):
        next(rows)


def test_the_example_of_the_docstring_holds():
    assert doctest.testmod(serial).failed == 0
