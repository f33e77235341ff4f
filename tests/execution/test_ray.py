"""Workers of a small cluster: items that kill, hang or damage; nodes that are lost; resuming."""

from __future__ import annotations

import math
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from merc.errors import InputError, MercError, WeightError
from merc.execution import Engine, Row
from merc.execution import ray as executor
from merc.execution.ray import Ray, room

from .cluster import Nodes, nodes
from .functions import Rows, make, no_start, other

pytest.importorskip("ray", reason="Ray is not installed: pip install 'merc[ray]'")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Nodes]:
    """A head without cores, which no test can kill, and two nodes of one core."""
    with nodes(2) as made:
        yield made


@pytest.fixture(scope="module")
def pool(cluster: Nodes) -> Iterator[Ray]:
    """Two workers: to start one takes seconds."""
    with Ray(cluster.engine(), 2, timeout=math.inf) as made:
        yield made


def reasons(rows):
    return {row.item[0]: row.reason for row in rows}


def test_an_address_without_a_cluster_is_refused_and_the_environment_restored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_USAGE_STATS_ENABLED", raising=False)
    monkeypatch.setenv("RAY_ADDRESS", "somewhere")
    for engine, address in ((Engine("ray"), "somewhere"), (Engine("ray", "127.0.0.1:9"), "127.0.0.1:9")):
        with pytest.raises(InputError, match=f"no Ray cluster answers at {address} .*'ray start --head"):
            Ray(engine, timeout=30).__enter__()
    assert "RAY_USAGE_STATS_ENABLED" not in os.environ


def test_items_run_in_other_processes_and_a_bad_one_costs_itself_alone(pool: Ray, tmp_path: Path, capfd) -> None:
    once = ("exit once", str(tmp_path / "died"))
    rows = list(pool.map(make, [("a",), ("refuse",), ("damage",), ("exit",), once, ("b",)]))
    assert reasons(rows) == {
        "a": None,
        "b": None,
        "exit once": None,
        "refuse": "item 'refuse': expected another",
        "damage": "ZeroDivisionError: by zero",
        "exit": "the process died (ActorDiedError; Ray's log on its node may say why)",
    }
    assert os.getpid() not in {row.result[1] for row in rows if row.ok}
    assert capfd.readouterr().out == ""  # which is for results


def test_items_and_results_may_have_any_size(pool: Ray) -> None:
    items = [("large", bytes(300_000 + n)) for n in range(3)]
    assert {len(row.result[1]) for row in pool.map(make, items)} == {10**6}


def test_workers_are_kept_for_the_same_function_and_replaced_for_another(pool: Ray) -> None:
    first, second = ({row.result[1] for row in pool.map(make, [("a",), ("b",), ("c",)])} for _ in range(2))
    assert first & second  # the same processes
    assert [row.result for row in pool.map(other, [("a",)])] == ["other"]


def test_what_no_item_causes_ends_the_run_and_kept_rows_need_no_worker(pool: Ray) -> None:
    assert list(pool.map(no_start, [1], kept=Rows(Row(1, "one")))) == [Row(1, "one", kept=True)]
    with pytest.raises(WeightError, match="weight 'mtcnn' is missing"):
        list(pool.map(make, [("weights",), ("a",)]))


def test_an_item_that_hangs_is_given_up(cluster: Nodes) -> None:
    with Ray(cluster.engine(), 1, timeout=1.0) as pool:
        assert reasons(pool.map(make, [("hang",), ("a",)])) == {"hang": "took longer than 1 s", "a": None}


def test_a_worker_that_cannot_start_is_an_error_and_no_loop(cluster: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executor, "_FAILED_STARTS", 2)
    with Ray(cluster.engine(), 1, timeout=30) as pool, pytest.raises(MercError, match="2 workers in a row died before"):
        list(pool.map(no_start, [("a",)]))


def test_a_folder_that_nodes_do_not_have_is_refused(
    cluster: Nodes, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.getcwd", lambda: str(tmp_path / "gone"))
    with (
        Ray(cluster.engine(), 1, timeout=30) as pool,
        pytest.raises(InputError, match=r"node .* cannot enter .*gone, the folder in which the command was given"),
    ):
        list(pool.map(make, [("a",)]))


def test_resources_that_no_node_has_are_refused(cluster: Nodes) -> None:
    with pytest.raises(InputError, match=r"a worker needs 2 CPUs and 0\.5 GPUs, and no node .*1 CPUs, 0 GPUs.* 1 CPUs"):
        Ray(cluster.engine(cpus=2, gpus=0.5), timeout=30).__enter__()


def test_the_number_of_workers_is_what_the_nodes_have_room_for() -> None:
    assert room({"CPU": 16.0, "GPU": 2.0}, Engine("ray", cpus=2)) == 8
    assert room({"CPU": 16.0, "GPU": 2.0}, Engine("ray", gpus=0.25)) == 8
    assert room({"CPU": 16.0}, Engine("ray", gpus=1)) == 0


def test_a_node_that_is_killed_costs_no_item_and_a_new_one_is_used(cluster: Nodes, tmp_path: Path) -> None:
    """The node of the item that waits is killed; the item is run again, and others at most once."""
    cluster.add()
    told = tmp_path / "told"
    killing = threading.Thread(target=_kill_when_told, args=(cluster, told))
    killing.start()
    with Ray(cluster.engine(), 3, timeout=math.inf) as pool:
        rows = list(pool.map(make, [*((str(n),) for n in range(20)), ("told", str(told))]))
    killing.join()
    assert Counter(row.item[0] for row in rows) == Counter([*map(str, range(20)), "told"])
    assert [row.reason for row in rows] == [None] * 21


def _kill_when_told(cluster: Nodes, told: Path) -> None:
    while not told.exists():
        time.sleep(0.05)
    cluster.kill(told.read_text())
