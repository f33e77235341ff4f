"""The runnable example at the head of each system's file, run as it stands."""

from __future__ import annotations

import doctest
import importlib

import pytest

from merc.systems import SYSTEMS


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_the_example_of_a_system_runs_and_is_short(name: str) -> None:
    module = importlib.import_module(SYSTEMS[name].__module__)
    (test,) = doctest.DocTestFinder(recurse=False).find(module, module.__name__)
    assert 1 <= len(test.examples) <= 6, "an example of about five lines"
    assert f'SYSTEMS["{name}"]' in test.docstring or f"{name}" in module.__name__
    found = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test)
    assert found.failed == 0 and found.attempted == len(test.examples)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_the_head_of_a_systems_file_says_what_a_reader_looks_for(name: str) -> None:
    head = importlib.import_module(SYSTEMS[name].__module__).__doc__ or ""
    for part in ("Paper:", "Idea:", "Symbols:", "Inputs:", "Differs from", "Prefer it", ">>> "):
        assert part in head, f"{name}: no '{part}'"
