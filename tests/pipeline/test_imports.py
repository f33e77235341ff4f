"""What an analysis loads: none of the workbench, and no library that only the workbench needs."""

from __future__ import annotations

import subprocess
import sys

import pytest

WORKBENCH = ("training", "recipes", "benchmarks", "corpora", "quality", "prepare")
LIBRARIES = ("polars", "sklearn")
_LOADED = """
import sys, time
before = time.perf_counter()
import {module}
took = time.perf_counter() - before
print(took, *sorted(sys.modules))
"""


def loaded(module: str) -> tuple[float, set[str]]:
    """Seconds that an import takes in a fresh interpreter, and the modules that are loaded then."""
    done = subprocess.run(
        [sys.executable, "-c", _LOADED.format(module=module)], capture_output=True, text=True, check=True, timeout=120
    )
    took, *names = done.stdout.split()
    return float(took), set(names)


@pytest.mark.parametrize("module", ["merc.pipeline.recognizer", "merc.pipeline.batch", "merc.report"])
def test_the_instrument_loads_nothing_of_the_workbench(module: str) -> None:
    _, names = loaded(module)
    assert module in names
    rooms = {name.split(".")[1] for name in names if name.startswith("merc.")}
    assert not rooms & set(WORKBENCH)
    assert not names & set(LIBRARIES)


def test_the_package_is_imported_in_a_moment_and_without_torch() -> None:
    took, names = min(loaded("merc") for _ in range(3))
    assert took < 0.3
    assert not names & {"torch", "transformers", "av", *LIBRARIES}
