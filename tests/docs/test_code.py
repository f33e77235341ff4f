"""The Python of the pages compiles, its imports exist, and what it takes from ``merc`` is public."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import re
from pathlib import Path

import pytest

import merc

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> list[ast.Module]:
    if (ROOT / "docs" / "_build") in page.parents:
        return []
    return [ast.parse(code) for code in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL)]


def exists(module: str, name: str) -> bool:
    """Whether a module has an attribute, or a module of that name below it."""
    return hasattr(importlib.import_module(module), name) or importlib.util.find_spec(f"{module}.{name}") is not None


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=lambda page: page.name)
def test_the_code_of_a_page_names_what_exists(page: Path) -> None:
    for block in blocks(page):
        for node in ast.walk(block):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("merc"):
                assert [one.name for one in node.names if not exists(node.module or "", one.name)] == []
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "merc":
                assert node.attr in merc.__all__ or importlib.import_module(f"merc.{node.attr}")


def test_there_are_pages_with_code() -> None:
    assert sum(bool(blocks(page)) for page in PAGES) >= 5
