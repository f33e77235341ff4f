"""Constraints with the lowest version of each dependency that pyproject.toml allows.

    python tools/lowest.py [--extra NAME …] > lowest.txt
    pip install . --constraint lowest.txt

``make test-lowest`` runs the test suite with them.

An interpreter that is newer than a version has no wheel of it, so the result says what can be resolved here only.
"""

from __future__ import annotations

import argparse
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def lowest(requirements: list[str]) -> list[str]:
    """Pins at the lower bound, such as ``numpy==1.26``; a requirement without one is refused."""
    pins: dict[str, str] = {}
    for requirement in map(Requirement, requirements):
        bounds = [one.version for one in requirement.specifier if one.operator == ">="]
        if not bounds:
            raise SystemExit(f"{requirement.name} has no lower bound in pyproject.toml; give one with >=")
        pins[requirement.name] = bounds[0]
    return [f"{name}=={version}" for name, version in sorted(pins.items())]


def wanted(project: dict[str, Any], extras: list[str]) -> list[str]:
    """The dependencies of a project with those of extras, and of the extras that these name."""
    found, waiting, seen = list(project["dependencies"]), list(extras), set()
    while waiting:
        if (extra := waiting.pop()) in seen:
            continue
        seen.add(extra)
        for one in map(Requirement, project["optional-dependencies"][extra]):
            waiting += one.extras if one.name == "merc" else []
            found += [] if one.name == "merc" else [str(one)]
    return found


def main() -> None:
    """Print the constraints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="also this extra; repeatable")
    parser.add_argument("--tool", action="append", default=[], help="also this package of the extra dev; repeatable")
    options = parser.parse_args()
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    if strange := sorted(set(options.extra) - set(extras)):
        raise SystemExit(f"no extra '{strange[0]}'; pyproject.toml has {', '.join(sorted(extras))}")
    tools = [one for one in extras["dev"] if Requirement(one).name in options.tool]
    print("\n".join(lowest([*wanted(project, options.extra), *tools])))


if __name__ == "__main__":
    main()
