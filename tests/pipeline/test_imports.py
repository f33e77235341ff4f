"""What an analysis loads: none of the workbench, and no library that only the workbench needs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import polars
import pytest

from merc import read
from tests.pipeline.conftest import ALL_WEIGHTS
from tests.without_extras import run

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


def test_an_analysis_with_its_table_and_a_comparison_need_no_extra(
    tmp_path: Path, short_sample: Path, weight, own_cache: Path
) -> None:
    weight(*ALL_WEIGHTS)
    out = tmp_path / "talk.merc"
    done = run("analyze", short_sample, "--out", out)
    assert done.returncode == 0, done.stderr
    assert {"report.html", "timeline.json", "timeline.csv", "timeline.parquet"} <= {one.name for one in out.iterdir()}
    table = polars.read_parquet(out / "timeline.parquet")
    assert table.height == len(read(out / "timeline.json")) > 2
    assert table["confidence"].dtype == polars.Float64
    compared = run("compare", out, out)
    assert compared.returncode == 0, compared.stderr
    assert "kappa" in compared.stdout
