"""Damaged files of one kind: made from whole ones, read in processes of their own, and what became of each."""

from __future__ import annotations

import os
import resource
import shutil
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from bench.fuzzing.damage import DAMAGES, damaged
from merc.errors import MercError
from merc.execution import Processes
from tests.quality.fuzzed import LIMIT, Outcome

CRASHED = "crashed: "
"""How the reason of a file begins that raised what is no error of merc."""

_MEMORY = 8 * 2**30
"""Bytes that a process may ask for: a file of less than a few megabytes needs no more."""
_PATIENCE = 12 * LIMIT
"""Seconds of the clock after which a process is ended: what counts as hung is its processor's time."""
_ROUND = 200
"""Files that lie on the disk at a time."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Files of one kind.

    Args:
        whole: Writes whole material into a folder; each file of it is damaged in turn.
        look: Reads the folder in which one file is damaged, as merc does. A function of a module.
        spared: Suffixes of files that stay whole.
    """

    whole: Callable[[Path], None]
    look: Callable[[Path, Path], None]
    spared: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """A copy of the material, the file in it that is damaged, and how."""

    folder: str
    file: str
    damage: str


@dataclass(frozen=True, slots=True)
class Maker:
    """Prepares the processes that read the cases of one kind."""

    look: Callable[[Path, Path], None]

    def __call__(self) -> Callable[[Case], tuple[float, str | None]]:
        """Bound the memory, and return what reads a case."""
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # a library that panics says so there as well
        return self.read

    def read(self, case: Case) -> tuple[float, str | None]:
        """Read a case: seconds of the processor, and why it was refused, or where it crashed."""
        before, reason = time.process_time(), None
        try:
            self.look(Path(case.folder), Path(case.folder, case.file))
        except MercError as error:
            reason = str(error).encode("utf-8", "replace").decode("utf-8", "replace")  # it goes through a pipe
        except BaseException as error:  # noqa: BLE001 - also panics of libraries, which are no Exception
            last = traceback.extract_tb(error.__traceback__)
            own = next((one for one in reversed(last) if "/merc/" in one.filename), last[-1])
            where = f"{Path(own.filename).name}:{own.lineno}"
            reason = f"{CRASHED}{type(error).__name__} at {where}: {str(error)[:200]}"
        return time.process_time() - before, reason


def tried(kind: Kind, folder: Path, count: int, *, seed: int, workers: int = 1) -> Iterator[Outcome]:
    """Damage so many files of a kind, each in a copy of the whole material, and read the copies."""
    made = cases(kind, folder, count, seed=seed)
    with Processes(workers, timeout=_PATIENCE) as pool:
        make = Maker(kind.look)
        while some := list(islice(made, _ROUND)):
            for row in pool.map(make, some):
                seconds, reason = row.result or (0.0, row.reason)
                yield Outcome(f"{Path(row.item.folder).name} {row.item.file}", row.item.damage, reason, seconds)
                if not (reason or "").startswith(CRASHED):
                    shutil.rmtree(row.item.folder)


def cases(kind: Kind, folder: Path, count: int, *, seed: int) -> Iterator[Case]:
    """Copies of the material, in each of which one file is damaged."""
    whole = folder / "whole"
    whole.mkdir(parents=True)
    kind.whole(whole)
    files = sorted(one for one in whole.rglob("*") if one.is_file() and one.suffix not in kind.spared)
    random = np.random.default_rng(seed)
    for number in range(count):
        yield _made(folder / f"{number:05d}", whole, files, number, random)


def _made(copy: Path, whole: Path, files: list[Path], number: int, random: np.random.Generator) -> Case:
    """A copy of the material with one file damaged; kinds of damage take turns."""
    file, how = files[random.integers(len(files))].relative_to(whole), list(DAMAGES)[number % len(DAMAGES)]
    shutil.copytree(whole, copy)
    (copy / file).write_bytes(damaged((whole / file).read_bytes(), how, random))
    return Case(str(copy), str(file), how)
