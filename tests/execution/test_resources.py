"""Cores and memory: of the machine, and of a container that has less."""

import doctest
from pathlib import Path

import pytest

from merc.execution import resources

GIB = 2**30


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of 8 cores with 6 GiB available and no container."""
    (tmp_path / "meminfo").write_text(f"MemTotal: 99 kB\nMemAvailable: {6 * GIB // 1024} kB\n")
    monkeypatch.setattr(resources, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(resources, "_GROUP", tmp_path)
    monkeypatch.setattr(resources, "cores", lambda: 8)
    return tmp_path


def test_memory_is_that_of_the_machine(machine: Path) -> None:
    assert resources.free_memory() == 6 * GIB
    (machine / "memory.max").write_text("max\n")
    (machine / "memory.current").write_text(f"{GIB}\n")
    assert resources.free_memory() == 6 * GIB


def test_memory_is_that_of_a_container_where_it_is_less(machine: Path) -> None:
    (machine / "memory.max").write_text(f"{4 * GIB}\n")
    (machine / "memory.current").write_text(f"{GIB}\n")
    assert resources.free_memory() == 3 * GIB


@pytest.mark.parametrize(("items", "count"), [(1, 1), (2, 2), (300, 3)])
def test_processes_are_limited_by_items_cores_and_memory(machine: Path, items: int, count: int) -> None:
    assert resources.processes(items, memory=2 * GIB) == count
    assert resources.processes(items, memory=99 * GIB) == 1


def test_where_memory_is_unknown_cores_decide(machine: Path) -> None:
    (machine / "meminfo").unlink()
    assert resources.free_memory() is None
    assert resources.processes(300, memory=2 * GIB) == 8


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(resources).failed == 0
