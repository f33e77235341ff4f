"""merc as after ``pip install merc``: run where no package can be imported that only an extra, or nothing, brings."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

_RUN = """
import sys
from importlib.machinery import PathFinder

class Installed(PathFinder):
    hidden = frozenset(sys.argv.pop(1).split(","))

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.partition(".")[0] in cls.hidden else super().find_spec(name, path, target)

sys.meta_path[:] = [Installed if one is PathFinder else one for one in sys.meta_path]
exec(sys.argv.pop(1))
"""
COMMAND = "from merc.cli import main; main()"


def project() -> dict[str, object]:
    """The table of the project in pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@cache
def installed() -> frozenset[str]:
    """Distributions that the dependencies of merc bring, without those of its extras."""
    found: set[str] = set()
    waiting = [(Requirement(one), "") for one in project()["dependencies"]]  # type: ignore[attr-defined]
    while waiting:
        one, extra = waiting.pop()
        name = canonicalize_name(one.name)
        if name in found or (one.marker is not None and not one.marker.evaluate({"extra": extra})):
            continue
        found.add(name)
        waiting += [(Requirement(text), "") for text in metadata.requires(name) or ()]
        for asked in one.extras:
            waiting += [(Requirement(text), asked) for text in metadata.requires(name) or ()]
    return frozenset(found)


@cache
def hidden() -> frozenset[str]:
    """Top-level modules of this environment that ``pip install merc`` does not bring."""
    allowed = {*installed(), "merc", "pip", "setuptools"}
    return frozenset(
        module
        for module, names in metadata.packages_distributions().items()
        if not allowed & {canonicalize_name(name) for name in names}
    )


def run(*command: str | Path, code: str = COMMAND) -> subprocess.CompletedProcess[str]:
    """Run a command of merc, or code, where only these packages are."""
    return subprocess.run(
        [sys.executable, "-c", _RUN, ",".join(sorted(hidden())), code, *map(str, command)],
        capture_output=True,
        text=True,
        check=False,
        timeout=250,
        env={**os.environ, "COLUMNS": "200"},
    )
