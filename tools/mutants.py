"""Break the idea of a system in one place, and see whether a test of its own test file fails.

    python tools/mutants.py                 # every mutant of tools/mutants.toml
    python tools/mutants.py cogmen mamba    # those of some systems
    python tools/mutants.py --list          # the list alone, without running anything
    python tools/mutants.py --tested        # the test files were run before: do not run them without a mutant

Each mutant is applied to a copy of ``src`` and ``tests`` in a temporary folder, and its test file runs there up to the
first failure, without the test that overfits a batch, which is slow and passes without any idea. A mutant is killed if
a test fails. Exits with 1 where one survives, where one cannot be applied or imported, and where a test file fails
without any mutant.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIST = Path(__file__).with_suffix(".toml")
NEEDED = ("src", "tests", "bench", "tools", "pyproject.toml")
"""What the tests read, copied; corpora and weights are where the environment says."""
IMPORTED = ("pytest", "hypothesis", "torch", "scipy.stats", "sklearn.metrics", "transformers.models.t5.modeling_t5")
"""Imported once: every test file runs in a fork of this process."""
SKIPPED = "not overfits"
PASSED, FAILED = 0, 1  # exit codes of pytest; others mean that the tests did not run


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change in one place of a file that takes a part of a system's idea away.

    Attributes:
        system: Whose idea it is, as ``merc systems`` names it.
        idea: What holds, and does not with the change.
        file, old, new: The text that occurs once in a file, and what replaces it.
        test: The test file that must fail.
    """

    system: str
    idea: str
    file: str
    old: str
    new: str
    test: str

    def applied(self, text: str) -> str:
        """The text of the file with the change; raises ValueError where the old text does not occur exactly once."""
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.file}: the text of '{self.idea}' occurs {count} times, expected once")
        return text.replace(self.old, self.new)


def read_mutants(path: Path = LIST) -> list[Mutant]:
    """The list; the file and the test of a table are those of all mutants in it, unless one names its own."""
    found = []
    for table in tomllib.loads(path.read_text(encoding="utf-8"))["of"]:
        usual = {name: table[name] for name in ("system", "file", "test")}
        found += [Mutant(**{**usual, **one}) for one in table["mutants"]]
    return found


def run(test: str, folder: Path) -> int:
    """The exit code of pytest over one test file of a copy, in a fork; what it prints is in ``output`` there."""
    for name in IMPORTED:
        import_module(name)
    sys.stdout.flush()
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    code = 3
    try:
        code = _tested(test, folder)
    finally:
        os._exit(code)


def _tested(test: str, folder: Path) -> int:
    """Run pytest in this process, whose packages are those of the copy."""
    import pytest

    with (folder / "output").open("w") as output:
        for stream in (1, 2):
            os.dup2(output.fileno(), stream)
        sys.stdout = sys.stderr = output
        os.chdir(folder)
        sys.dont_write_bytecode = True
        sys.path[:0] = [str(folder / "src"), str(folder)]
        os.environ["PYTHONPATH"] = os.pathsep.join(sys.path[:2])
        chosen = ["-x", "-q", "-p", "no:cacheprovider", "-k", SKIPPED, "-rf", test]
        return int(pytest.main(chosen))


def first_failure(folder: Path) -> str:
    """The test that failed, by what pytest printed; empty: none."""
    lines = (folder / "output").read_text(encoding="utf-8", errors="replace").splitlines()
    return next((line.partition("::")[2].partition(" - ")[0] for line in lines if line.startswith("FAILED")), "")


def outcome(mutant: Mutant, folder: Path) -> str:
    """ "killed by" and a test, "SURVIVED", or why it is neither; the copy is as before afterwards."""
    path = folder / mutant.file
    before = path.read_text(encoding="utf-8")
    try:
        path.write_text(mutant.applied(before), encoding="utf-8")
        code = run(mutant.test, folder)
    except ValueError as error:
        return f"DOES NOT APPLY: {error}"
    finally:
        path.write_text(before, encoding="utf-8")
    if code == FAILED:
        return f"killed by {first_failure(folder)}"
    return "SURVIVED" if code == PASSED else f"NO TEST RAN: pytest exits with {code}"


def copied(folder: Path) -> None:
    """Copy what the tests need."""
    for name in NEEDED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, folder / name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the mutants of the systems named, or all; the number for the shell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", help="whose mutants (default: all)")
    parser.add_argument("--list", action="store_true", help="print them and run nothing")
    parser.add_argument("--tested", action="store_true", help="leave out the test files without a mutant")
    chosen = parser.parse_args(arguments)
    mutants = read_mutants()
    if strange := sorted(set(chosen.systems) - {one.system for one in mutants}):
        parser.error(f"no mutant of '{strange[0]}'; there are some of {', '.join(sorted({m.system for m in mutants}))}")
    mutants = [one for one in mutants if not chosen.systems or one.system in chosen.systems]
    if chosen.list:
        print(*(f"{one.system:16}{one.idea}" for one in mutants), sep="\n")
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        copied(Path(temporary))
        return run_all(mutants, Path(temporary), tested=chosen.tested)


def run_all(mutants: Sequence[Mutant], folder: Path, *, tested: bool = False) -> int:
    """Run mutants in a copy, whose tests pass if ``tested``, and print a line for each; 0 if all are killed, else 1."""
    for test in () if tested else dict.fromkeys(one.test for one in mutants):
        if run(test, folder) != PASSED:
            print((folder / "output").read_text(encoding="utf-8"), f"{test} fails without any mutant", sep="\n")
            return 1
    found = []
    for one in mutants:
        start = time.perf_counter()
        found.append(outcome(one, folder))
        print(f"{one.system:14}{time.perf_counter() - start:5.0f} s  {one.idea}: {found[-1]}", flush=True)
    killed = sum(one.startswith("killed") for one in found)
    print(f"{killed} of {len(mutants)} killed")
    return 0 if killed == len(mutants) else 1


if __name__ == "__main__":
    sys.exit(main())
