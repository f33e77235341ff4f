"""Which executor an engine opens, and what is refused."""

from __future__ import annotations

import doctest
import sys
from typing import Any

import pytest

from merc.errors import InputError, MissingExtra
from merc.execution import Engine, Processes, engine


def test_processes_are_the_default() -> None:
    assert isinstance(Engine().open(2, timeout=1), Processes) and not Engine().distributed


def test_ray_that_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtra, match=r"--engine ray needs Ray: pip install 'merc\[ray\]'"):
        Engine("ray").open(0, timeout=1)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "dask"}, "engine is 'dask': expected one of processes, ray"),
        ({"name": "ray", "cpus": 0}, "engine: cpus_per_worker is 0: expected more than 0"),
        ({"name": "ray", "gpus": -1}, "engine: gpus_per_worker is -1: expected at least 0"),
        ({"name": "ray", "gpus": 1.5}, r"gpus_per_worker is 1\.5: expected a share of one GPU or a whole number"),
        ({"address": "auto"}, "--address, --cpus-per-worker and --gpus-per-worker are for --engine ray"),
        ({"name": "ray", "address": "ray://head:10001"}, "Ray Client, .* with --address auto"),
    ],
)
def test_what_cannot_work_is_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Engine(**given)


def test_threads_are_the_whole_cores_of_a_worker() -> None:
    assert [Engine("ray", cpus=cpus).threads for cpus in (0.5, 1, 2.5)] == [1, 1, 2]


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(engine).failed == 0
