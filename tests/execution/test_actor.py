"""The actor in this process: items and answers in parts, its setting, and errors that end a run."""

from __future__ import annotations

import doctest
import os
import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from merc.errors import InputError, WeightError
from merc.execution import actor
from merc.execution.actor import Actor, Setting, join, split

from .functions import make


@pytest.fixture
def setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Setting:
    """That of this process in a folder of its own, which is left after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MERC_CACHE", "here")
    return Setting.here()


def answer(actor: Actor, given: tuple[int, bytes]) -> Any:
    count, first = given
    return join([first, *(actor.part(number) for number in range(1, count))])


def test_items_and_answers_travel_in_parts(setting: Setting) -> None:
    made = Actor(setting, pickle.dumps(make), lambda: "node 7")
    assert answer(made, made.start()) == "node 7"
    *parts, last = split(("large", bytes(200_000)))
    assert len(parts) == 3 and max(map(len, parts)) < 100 * 1024  # what is larger goes into the object store
    for _ in range(2):  # nothing of an item is left for the next
        for part in parts:
            made.add(part)
        result, reason = answer(made, made.run(last))
        assert (len(result[1]), reason) == (10**6, None)
    assert answer(made, made.run(*split(("refuse",)))) == (None, "item 'refuse': expected another")


def test_what_no_item_causes_is_an_answer_that_ends_the_run(setting: Setting) -> None:
    made = Actor(setting, pickle.dumps(make), lambda: "")
    made.start()
    assert isinstance(answer(made, made.run(*split(("weights",)))), WeightError)


def test_a_worker_is_set_as_the_process_that_gives_out_the_items(
    setting: Setting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    there = replace(setting, folder=str(tmp_path / "other"), variables={"MERC_CACHE": "there"})
    there.apply("b")
    assert (Path.cwd(), os.environ["MERC_CACHE"]) == (tmp_path / "other", "there")


def test_another_version_of_merc_is_refused(setting: Setting) -> None:
    made = Actor(replace(setting, version="0.0.1"), pickle.dumps(make), lambda: "")
    refused = answer(made, made.start())
    assert isinstance(refused, InputError)
    assert "and this machine 0.0.1: install the same on all nodes" in str(refused)


def test_the_example_of_the_docstring_holds() -> None:
    assert doctest.testmod(actor).failed == 0
