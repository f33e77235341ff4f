"""Sizes on disk of what ``pip install merc`` brings, from the packages of this environment.

    python tools/install_size.py [--extra NAME …] [--largest N]

The requirements of merc are those of pyproject.toml, the tree below them is walked by the metadata of the installed
packages; each package counts with the files that
its wheel has put on the disk, without ``.pyc``. The run time is what exported systems need: ONNX Runtime and numpy.
"""

from __future__ import annotations

import argparse
import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = Path(__file__).parents[1] / "pyproject.toml"
MOST = {"merc": 1600.0, "run time without torch": 250.0}  # MB


def closure(name: str, extras: frozenset[str] = frozenset()) -> set[str]:
    """Names of a package and of all that it requires here."""
    found: set[str] = set()
    waiting = [(canonicalize_name(name), extras)]
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        one, asked = waiting.pop()
        if (one, asked) in seen:
            continue
        seen.add((one, asked))
        try:
            requires = _own() if one == "merc" else metadata.requires(one) or []
        except metadata.PackageNotFoundError:
            print(f"not installed here, not counted: {one}")
            continue
        found.add(one)
        for requirement in map(Requirement, requires):
            if _holds(requirement, asked):
                waiting.append((canonicalize_name(requirement.name), frozenset(requirement.extras)))
    return found


def _own() -> list[str]:
    """What this tree requires, as the metadata of a package has it."""
    project = tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"].items()
    return project["dependencies"] + [
        f"{requirement}; extra == '{extra}'" for extra, requirements in optional for requirement in requirements
    ]


def _holds(requirement: Requirement, extras: frozenset[str]) -> bool:
    marker = requirement.marker
    return marker is None or any(marker.evaluate({"extra": extra}) for extra in extras or {""})


def size(name: str) -> float:
    """MB of the files of an installed package."""
    files = metadata.files(name) or []
    paths = [Path(str(one.locate())) for one in files if one.suffix != ".pyc"]
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def tree_size(root: Path) -> float:
    """MB of the package itself, where it is installed from its sources."""
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file() and path.suffix != ".pyc") / 1e6


def main() -> None:
    """Print the sizes; exit code 1 if one is above its level."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--extra", action="append", default=[], help="also this extra; repeatable")
    parser.add_argument("--largest", type=int, default=12, help="packages that are named")
    options = parser.parse_args()
    own = tree_size(Path(__file__).parents[1] / "src" / "merc")
    above = False
    runtime = {"merc"} | closure("onnxruntime") | closure("numpy")
    for title, names in zip(MOST, (closure("merc", frozenset(options.extra)), runtime), strict=True):
        sizes = {one: own if one == "merc" else size(one) for one in names}
        total = sum(sizes.values())
        above |= total > MOST[title]
        print(f"{title}: {len(sizes)} packages, {total:,.0f} MB (level {MOST[title]:,.0f} MB)")
        for name, each in sorted(sizes.items(), key=lambda item: -item[1])[: options.largest]:
            print(f"  {each:8.1f} MB  {name}")
    raise SystemExit(int(above))


if __name__ == "__main__":
    main()
