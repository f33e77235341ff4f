"""The version of the code behind a figure: a hash over merc's source modules, without comments and docstrings."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import merc

ROOMS = ("backbones", "corpora", "evaluation", "features", "heads", "nn", "recipes", "speech", "systems", "training")
"""Packages whose modules a training or a measurement runs through."""
MODULES = ("conversation.py", "labels.py")


@lru_cache(maxsize=1)
def code_version() -> str:
    """The hash of what the modules behind a figure do, 64 hexadecimal digits.

    Wording does not count: comments, docstrings and the layout of lines leave it as it is. Read once a process.
    """
    return tree_hash(Path(merc.__file__).parent)


def tree_hash(root: Path) -> str:
    """The same for the modules below any folder of this layout: Python without docstrings, C++ as it is."""
    digest = hashlib.sha256()
    for path in _files(root):
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode())
        digest.update(_meaning(path).encode() + b"\n")
    return digest.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    yield from (root / name for name in MODULES if (root / name).exists())
    for room in ROOMS:
        yield from sorted(p for p in (root / room).rglob("*") if p.suffix in {".py", ".cpp"})


def _meaning(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if path.suffix != ".py":
        return text
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            node.body = [part for part in node.body if not _is_text(part)]
    return ast.dump(tree)


def _is_text(part: ast.stmt) -> bool:
    """Whether a statement is a string alone: a docstring, or the words below a field."""
    return isinstance(part, ast.Expr) and isinstance(part.value, ast.Constant) and isinstance(part.value.value, str)
