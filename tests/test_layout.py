"""The plan of the house: rooms, sizes, one loop, tests of the same name. Import directions are import-linter's."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from radon.complexity import cc_visit
from radon.visitors import Function

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "merc"

ROOM_FILES, FILE_LINES, FUNCTION_LINES, COMPLEXITY, COMPLEX_SHARE = 15, 400, 50, 10, 0.015

ONE_FILE_PER_PART = {
    "cli": "app.py",
    "corpora": "__init__.py",
    "features": "encoder.py",
    "formats": "__init__.py",
    "recipes": "__init__.py",
    "systems": "__init__.py",
}
"""Rooms that grow by one file per registered part, with the file that holds the registry: parts are not counted."""

BUILDING_BLOCKS = {"nn": 25}
"""A flat room of small independent layers, one per file, which the design keeps flat; it must not grow."""

TESTED_ELSEWHERE = {
    "benchmarks/table2_report.py": "benchmarks/test_report.py",  # its tables are sections of that report
    "benchmarks/texts.py": "recipes/test_text_encoder.py",  # reads what that training leaves
    "cli/heads.py": "benchmarks/heads/test_suite.py",  # the command over that suite
    "recipes/encoder_training.py": "recipes/test_text_encoder.py",  # what both fine-tunings share
    "recipes/prompting/outcome.py": "recipes/test_llm.py",  # what that training leaves
    "recipes/prompting/text_model.py": "recipes/prompting/test_with_llm.py",  # which of two models it is
    "recipes/joined/targets.py": "recipes/test_regression.py",  # what a regression refuses
    "reporting/card_page.py": "reporting/test_cards.py",  # a card and its page
    "systems/unimse_options.py": "systems/test_unimse.py",  # the options of that system
    "training/contract.py": "training/test_loop.py",  # what the loop is given and returns
}
"""Files without a test of the same name, and the test that covers them, with the reason."""


@cache
def sources() -> dict[Path, str]:
    return {path: path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


@cache
def trees() -> dict[Path, ast.Module]:
    return {path: ast.parse(text) for path, text in sources().items()}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def inside(path: Path) -> str:
    return path.relative_to(PACKAGE).as_posix()


def parts(room: Path) -> set[str]:
    """Modules of a room that its registry names."""
    if room.name not in ONE_FILE_PER_PART:
        return set()
    text = (room / ONE_FILE_PER_PART[room.name]).read_text(encoding="utf-8")
    named = set(re.findall(r'"([\w-]+)"', text)) | set(re.findall(rf"merc\.{room.name}\.(\w+):", text))
    return {name.replace("-", "_") for name in named}


def test_a_room_has_at_most_fifteen_files() -> None:
    large = {}
    for room in sorted({path.parent for path in sources()}):
        files = {path.stem for path in room.glob("*.py")} - parts(room)
        if len(files) > BUILDING_BLOCKS.get(inside(room), ROOM_FILES):
            large[inside(room)] = sorted(files)
    assert large == {}


def test_the_registries_name_the_parts_that_are_not_counted() -> None:
    assert {"meld", "cmu_mosi"} <= parts(PACKAGE / "corpora")
    assert {"text", "whisper"} <= parts(PACKAGE / "features")
    assert {"elan", "native"} <= parts(PACKAGE / "formats")
    assert {"heads", "text_encoder"} <= parts(PACKAGE / "recipes")
    assert {"concat", "mamba"} <= parts(PACKAGE / "systems")
    assert {"train", "analyze"} <= parts(PACKAGE / "cli")


def test_no_file_is_longer_than_four_hundred_lines() -> None:
    assert {inside(path): n for path, text in sources().items() if (n := text.count("\n")) > FILE_LINES} == {}


def test_no_function_is_longer_than_fifty_lines() -> None:
    long = {
        f"{inside(path)}:{node.name}": length
        for path, tree in trees().items()
        for node in functions(tree)
        if (length := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION_LINES
    }
    assert long == {}


def test_few_functions_are_complex() -> None:
    """Radon counts the loops and conditions of comprehensions, as a reader does."""
    blocks = [
        (block.complexity, f"{inside(path)}:{block.name}")
        for path, text in sources().items()
        for block in cc_visit(text)
        if isinstance(block, Function)
    ]
    complex_ = sorted(block for block in blocks if block[0] > COMPLEXITY)
    assert len(complex_) <= COMPLEX_SHARE * len(blocks), f"{len(complex_)} of {len(blocks)} functions: " + ", ".join(
        f"{name} {value}" for value, name in complex_
    )


def test_one_file_holds_the_optimisers_step() -> None:
    """``x.step()`` without arguments is the step of an optimiser or of a schedule."""
    calling = {
        inside(path)
        for path, tree in trees().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        if node.func.attr == "step" and not node.args
    }
    assert calling == {"training/loop.py"}


def test_one_file_makes_optimisers() -> None:
    making = {inside(path) for path, text in sources().items() if re.search(r"\boptim\.(?!Optimizer)\w+", text)}
    assert making == {"training/optimiser.py"}


def test_research_is_outside_the_wheel() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    assert settings["packages"]["find"]["where"] == ["src"]
    assert not (PACKAGE / "research").exists()
    imports = [
        inside(path) for path, text in sources().items() if re.search(r"^\s*(from|import) research\b", text, re.M)
    ]
    assert imports == []


def test_the_former_attics_are_gone() -> None:
    assert [name for name in ("adapt", "encoders") if (PACKAGE / name).exists()] == []


def with_logic() -> list[str]:
    """Files that define a function; ``__init__`` and ``__main__`` are tested through the room."""
    return [inside(path) for path, tree in trees().items() if not path.name.startswith("__") and any(functions(tree))]


@pytest.mark.parametrize("name", with_logic())
def test_a_file_has_a_test_of_its_name(name: str) -> None:
    path = Path(name)
    own = path.parent / f"test_{path.name}"
    if name in TESTED_ELSEWHERE:
        assert not (ROOT / "tests" / own).exists(), f"tests/{own} exists: take {name} off the list"
        other = ROOT / "tests" / TESTED_ELSEWHERE[name]
        assert other.exists(), f"{name} is tested by {other}, which does not exist"
    else:
        assert (ROOT / "tests" / own).exists(), f"{name} has logic and no test: expected tests/{own}"


def test_the_list_of_files_tested_elsewhere_names_files_that_exist() -> None:
    assert sorted(set(TESTED_ELSEWHERE) - set(with_logic())) == []


def test_a_test_that_mirrors_no_file_opens_with_what_it_is_for() -> None:
    unexplained = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        own = path.relative_to(ROOT / "tests").with_name(path.name.removeprefix("test_"))
        if not (PACKAGE / own).exists() and not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))):
            unexplained.append(str(path.relative_to(ROOT)))
    assert unexplained == []


def test_the_errands_of_contributing_name_files_that_exist() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| [^|`]+ \| (.*`.*) \|$", page, re.MULTILINE)
    assert len(rows) >= 20
    named = [name for row in rows for name in re.findall(r"`([\w/.]+)`", row)]
    assert [name for name in named if not (PACKAGE / name).exists() and not (ROOT / name).exists()] == []
