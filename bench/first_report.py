"""A newcomer's first hour: a clean clone, an empty home, and the commands of the README, with their times and sizes.

    python bench/first_report.py                          with the python3 that the system has
    python bench/first_report.py --python python3.13      with another
    python bench/first_report.py --first                  only as far as the first report

The commands are read from README.md. They run with a cleared environment (``env -i``): HOME, a PATH with links to the
interpreter, git, make, the shell and what these need, and what pip is told of its index (``PIP_*``, ``SSL_CERT_FILE``).
Prints the seconds of each command, and the bytes of the environment, the home with its caches, and the report. Exits
with 1 where a command fails or there is no report.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
TOOLS = (
    *("git", "make", "sh", "bash", "env", "test", "touch", "mkdir", "rm", "cat", "uname", "dirname", "basename"),
    *("gcc", "g++", "cc", "c++", "ld", "as", "x86_64-linux-gnu-gcc", "x86_64-linux-gnu-g++"),
)
"""Commands that are on the PATH besides Python."""


def commands(page: str) -> list[str]:
    """The indented lines under the sentence that names two commands.

    Example:
        >>> commands("… two commands:\\n\\n    make demo     # installs\\n    make test\\n\\nThen")
        ['make demo', 'make test']
    """
    found = re.search(r"two commands.*?\n\n((?:    [^\n]+\n)+)", page, re.DOTALL)
    if found is None:
        sys.exit("README.md: no block of commands behind 'two commands'")
    return [line.partition("#")[0].strip() for line in found[1].splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="/usr/bin/python3", help="the interpreter (default: that of the system)")
    parser.add_argument("--first", action="store_true", help="only the first command")
    given = parser.parse_args()
    python = shutil.which(given.python)
    if python is None:
        sys.exit(f"{given.python}: no such interpreter; name one that is on the PATH, or its path")
    with tempfile.TemporaryDirectory() as place:
        sys.exit(_first_hour(Path(place), python, only_first=given.first))


def _first_hour(place: Path, python: str, *, only_first: bool) -> int:
    clone, home = place / "merc", place / "home"
    home.mkdir()
    tools = _tools(place / "bin", python)
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    version = subprocess.run(
        [tools / "python3", "--version"], capture_output=True, text=True, check=True
    ).stdout.strip()
    print(f"{version}, HOME and caches empty, {os.cpu_count()} cores", flush=True)
    environment = {"HOME": str(home), "PATH": str(tools), **_pip()}
    code = 0
    for command in commands((clone / "README.md").read_text(encoding="utf-8"))[: 1 if only_first else None]:
        began = time.perf_counter()
        words = ["env", "-i", *(f"{name}={value}" for name, value in environment.items()), "sh", "-c", command]
        code = subprocess.run(words, cwd=clone, check=False).returncode or code
        print(f"{command}: {time.perf_counter() - began:.0f} s, exit code {code}", flush=True)
    reports = sorted(clone.glob("merc-demo/**/report.html"))
    for name, path in {"environment": clone / ".venv", "home": home, "report": clone / "merc-demo"}.items():
        print(f"{name}: {_bytes(path) / 1e6:,.0f} MB")
    for path in sorted(one for one in home.rglob("*") if one.is_dir() and len(one.relative_to(home).parts) == 3):
        print(f"  ~/{path.relative_to(home)}: {_bytes(path) / 1e6:,.0f} MB")
    print(f"reports: {', '.join(str(one.relative_to(clone)) for one in reports) or 'none'}")
    return code or (0 if reports else 1)


def _tools(folder: Path, python: str) -> Path:
    """A folder of links, which is all of the PATH."""
    folder.mkdir()
    for name in TOOLS:
        if found := shutil.which(name, path="/usr/local/bin:/usr/bin:/bin"):
            (folder / name).symlink_to(found)
    (folder / "python3").symlink_to(Path(python).resolve())
    return folder


def _pip() -> dict[str, str]:
    """What pip is told of its index by the environment of this machine."""
    return {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name == "SSL_CERT_FILE"}


def _bytes(path: Path) -> int:
    return sum(one.lstat().st_size for one in path.rglob("*") if not one.is_dir())


if __name__ == "__main__":
    main()
