"""Whether rows of the pages of results are made again by their printed command alone, from a clean clone.

    MERC_DATA=corpora python bench/clean_clone.py bench-systems-concat-cggm-iemocap6 --weights ~/.cache/merc/weights
    MERC_DATA=corpora python bench/clean_clone.py NAME --rows 3

NAME is a saved output in docs/results/saved. The repository is cloned at HEAD, its kernel is built, the command that
the section prints is run there with an empty cache (weights apart), and every row is compared: figure, both ends of
its interval, parameters and hashes of the features must be equal to the last digit. Exits with 1 where one differs or
where fewer than ``--rows`` were compared.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from merc.benchmarks.pages import read
from merc.benchmarks.report import Report

ROOT = Path(__file__).parents[1]
COMPARED = ("mean", "sd", "low", "high", "seeds", "parameters", "feature_hashes", "label_counts")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of a saved output, without .json")
    parser.add_argument("--rows", type=int, default=3, help="least number of rows")
    parser.add_argument("--weights", type=Path, help="folder of fetched weights (default: that of the cache)")
    given = parser.parse_args()
    output = read(ROOT / "docs" / "results" / "saved" / f"{given.name}.json")
    if not isinstance(output, Report):
        sys.exit(f"{given.name} is no output of merc bench systems, paper, variants or speech")
    saved = {_key(row): row for row in map(json.loads, output.json().splitlines())}
    with tempfile.TemporaryDirectory() as folder:
        made = [json.loads(line) for line in _run(Path(folder), output.command(), given.weights).splitlines()]
    wrong = [line for row in made for line in _differences(saved, row)]
    print("\n".join([f"{output.command()}\n{len(made)} of {len(saved)} rows compared", *wrong]))
    sys.exit(1 if wrong or len(made) < max(given.rows, len(saved)) else 0)


def _key(row: dict[str, Any]) -> tuple[str, ...]:
    return row["protocol"], row["system"], "+".join(row["modalities"]), row["metric"]


def _run(folder: Path, command: str, weights: Path | None) -> str:
    """What the command prints in a clean clone."""
    from merc.paths import weights_root

    clone, cache = folder / "clone", folder / "cache"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    subprocess.run([sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"], cwd=clone, check=True)
    cache.mkdir()
    fetched = (weights or weights_root()).expanduser().resolve()
    words = shlex.split(command)
    environment = {
        **os.environ,
        "PYTHONPATH": str(clone / "src"),
        "MERC_CACHE": str(cache),
        "MERC_WEIGHTS": str(fetched),
    }
    run = [sys.executable, "-m", *words, "--json", "--quiet"]
    done = subprocess.run(run, cwd=clone, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return done.stdout


def _differences(saved: dict[Any, Any], row: dict[str, Any]) -> list[str]:
    """What of a row is not as it was saved."""
    key = _key(row)
    if key not in saved:
        return [f"{key}: not in the saved output"]
    return [
        f"{key}: {name} is {row[name]}, saved {saved[key][name]}" for name in COMPARED if row[name] != saved[key][name]
    ]


if __name__ == "__main__":
    main()
