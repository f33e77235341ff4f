"""The tools that say how large an installation is, and which versions are the lowest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def _printed(*command: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, *command], cwd=ROOT, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_the_lowest_versions_are_those_of_the_project() -> None:
    code, printed = _printed("tools/lowest.py", "--extra", "serve")
    pins = dict(line.split("==") for line in printed.splitlines())
    assert (code, pins["numpy"], pins["fastapi"]) == (0, "1.26", "0.118")
    assert _printed("tools/lowest.py", "--extra", "none")[1].startswith("no extra 'none'; pyproject.toml has ")


def test_the_size_is_that_of_the_tree_of_requirements() -> None:
    _, printed = _printed("tools/install_size.py", "--largest", "1")
    merc, largest, runtime, *_ = printed.splitlines()
    assert merc.startswith("merc: ")
    assert largest.endswith("  torch")
    assert runtime.startswith("run time without torch: ")
