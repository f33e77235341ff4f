"""Every ``>>>`` example of the package runs, and the public names carry one."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path
from typing import Any

import pytest

import merc
from merc.evaluation.protocol import Protocol
from merc.features.encoder import Encoder
from merc.systems import SYSTEMS, System

PACKAGE = Path(merc.__file__).parent
FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def modules_with_examples() -> list[str]:
    """Found in the text, so that modules without an example are not imported."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        if ">>> " in path.read_text(encoding="utf-8"):
            parts = path.relative_to(PACKAGE).with_suffix("").parts
            found.append(".".join(("merc", *(parts[:-1] if parts[-1] == "__init__" else parts))))
    return found


def examples_of(value: Any) -> list[doctest.Example]:
    tests = doctest.DocTestFinder(recurse=True).find(value, getattr(value, "__name__", "value"))
    return [example for test in tests for example in test.examples]


@pytest.mark.parametrize("name", modules_with_examples())
def test_the_examples_of_a_module_run(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    ran = doctest.testmod(importlib.import_module(name), optionflags=FLAGS)
    assert ran.failed == 0
    assert ran.attempted > 0, f"{name} holds '>>> ' outside a docstring that doctest reads"


@pytest.mark.parametrize("name", [name for name in merc.__all__ if name != "__version__"])
def test_each_public_name_has_an_example(name: str) -> None:
    assert examples_of(getattr(merc, name)), f"merc.{name} has no example"


def test_the_version_is_in_the_example_of_the_package() -> None:
    (test,) = doctest.DocTestFinder(recurse=False).find(merc, "merc")
    assert any("__version__" in example.source for example in test.examples)


@pytest.mark.parametrize("value", [System, Encoder, Protocol])
def test_each_contract_has_an_example(value: type) -> None:
    assert examples_of(value), f"{value.__name__} has no example"


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_each_system_is_named_in_an_example_that_runs(name: str) -> None:
    module = importlib.import_module(SYSTEMS[name].__module__)
    sources = [example.source for example in examples_of(module) + examples_of(SYSTEMS[name])]
    assert any(name in source or SYSTEMS[name].__name__ in source for source in sources)


def test_no_example_is_skipped() -> None:
    skipped = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if "doctest: +SKIP" in path.read_text(encoding="utf-8")
    ]
    assert skipped == []
