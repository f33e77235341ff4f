"""Several processes: items that kill, hang or damage; reuse; resuming."""

import os

import pytest

from merc.errors import InputError, MercError, WeightError
from merc.execution import Processes, Row

from .functions import Rows, make, no_start, other


def reasons(rows):
    return {row.item[0]: row.reason for row in rows}


def test_items_run_in_other_processes_and_a_bad_one_costs_itself_alone():
    with Processes(2, timeout=30) as pool:
        rows = list(pool.map(make, [("a",), ("refuse",), ("damage",), ("exit",), ("b",)]))
    assert reasons(rows) == {
        "a": None,
        "b": None,
        "refuse": "item 'refuse': expected another",
        "damage": "ZeroDivisionError: by zero",
        "exit": "the process died (exit code 9)",
    }
    assert os.getpid() not in {row.result[1] for row in rows if row.ok}


def test_of_two_processes_one_takes_items_from_each_end(tmp_path):
    items = [(name,) for name in "abcdef"]
    with Processes(2, timeout=30) as pool:
        rows = list(pool.map(make, items))
    by_process = {}
    for row in rows:
        by_process.setdefault(row.result[1], []).append(row.item)
    assert sorted(row.item for row in rows) == items
    for own in by_process.values():
        assert own in (sorted(own), sorted(own, reverse=True)), by_process


def test_an_item_that_hangs_is_given_up(tmp_path):
    with Processes(1, timeout=1.0) as pool:
        assert reasons(pool.map(make, [("hang",), ("a",)])) == {"hang": "took longer than 1 s", "a": None}


def test_an_item_whose_process_died_is_tried_once_more(tmp_path):
    item = ("exit once", str(tmp_path / "died"))
    with Processes(1, timeout=30) as pool:
        (row,) = pool.map(make, [item])
    assert row.ok and row.result[0] == "exit once"


def test_processes_are_kept_for_the_same_function_and_replaced_for_another():
    with Processes(1, timeout=30) as pool:
        first, second = (next(iter(pool.map(make, [("a",)]))) for _ in range(2))
        assert first.result == second.result  # the same process
        assert [row.result for row in pool.map(other, [("a",)])] == ["other"]


def test_a_consumer_that_stops_early_leaves_no_answer_behind():
    with Processes(2, timeout=30) as pool:
        rows = pool.map(make, [("a",), ("b",), ("c",)])
        next(rows)
        rows.close()
        assert sorted(row.item[0] for row in pool.map(make, [("x",), ("y",)])) == ["x", "y"]


def test_what_no_item_causes_ends_the_run():
    with Processes(1, timeout=30) as pool, pytest.raises(WeightError, match="weight 'mtcnn' is missing"):
        list(pool.map(make, [("weights",), ("a",)]))


def test_a_process_that_cannot_start_is_an_error_and_no_loop(capfd):
    with Processes(1, timeout=30) as pool, pytest.raises(MercError, match=r"could not start \(exit code 3\)"):
        list(pool.map(no_start, [("a",)]))


def test_kept_rows_start_no_process():
    pool = Processes(1, timeout=30)
    assert list(pool.map(no_start, [1], kept=Rows(Row(1, "one")))) == [Row(1, "one", kept=True)]


@pytest.mark.parametrize(
    ("count", "timeout", "message"),
    [(0, 1, "processes: count is 0: expected at least 1"), (1, 0, "processes: timeout is 0: expected more than 0")],
)
def test_values_that_cannot_work_are_refused(count, timeout, message):
    with pytest.raises(InputError, match=message):
        Processes(count, timeout=timeout)
