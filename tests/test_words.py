"""The script that finds archaic phrases, and that there are none left."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def words() -> ModuleType:
    spec = importlib.util.spec_from_file_location("words", ROOT / "tools" / "words.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["words"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    "text",
    [
        "what stands around a training",
        "a run that was killed\n    # goes on where it was",
        "Reaches everything that is random.",
        "item 'x' is no sound that can be decoded",
        "the epoch of the least loss on validation",
        "Of torch.",
        "the source paper",
        "what it keeps is measured beside\n    the whole test part",
        "No progress, no line a trial.",
        "The curve of risk against coverage",
    ],
)
def test_an_archaic_phrase_is_found_also_across_lines(words: ModuleType, text: str) -> None:
    assert words.hits(text)


@pytest.mark.parametrize(
    "text",
    [
        "An interrupted run resumes from the last checkpoint.",
        "The best checkpoint by validation loss is kept.",
        "Random seed.",
        "Mean and standard deviation of 7 hidden layers.",
        "The loop goes on to the next epoch.",
        "speaker ids are anonymised",
        "The file lies beside the other one.",
        "No line of a trial is printed; one token per line.",
    ],
)
def test_plain_english_is_not_flagged(words: ModuleType, text: str) -> None:
    assert words.hits(text) == []


def test_a_hit_names_its_line_and_the_usual_term(words: ModuleType) -> None:
    (hit,) = words.hits("fine\nthe source paper\n")
    assert (hit.line, hit.phrase) == (2, "source paper")
    assert "QC-MERC" in hit.instead


def test_generated_pages_are_not_searched(words: ModuleType) -> None:
    assert not [path for path in words.files() if path.is_relative_to(ROOT / "docs" / "results")]


def test_there_is_no_archaic_phrase_left(words: ModuleType) -> None:
    found = [
        f"{hit.path.relative_to(ROOT)}:{hit.line}: {hit.phrase}"
        for path in words.files()
        for hit in words.hits(path.read_text("utf-8"), path)
    ]
    assert found == []
