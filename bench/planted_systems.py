"""Each system against itself without its core idea, on a planted corpus in which that idea is what helps.

    python bench/planted_systems.py                     ten systems, three seeds each, at the full size
    python bench/planted_systems.py cogmen mamba        some of them
    python bench/planted_systems.py --small --seeds 2   as in the test suite

A manifest and a feature store are written, and every run is trained and measured as ``merc train SYSTEM --corpus
manifest:FILE`` and ``merc evaluate`` do it. "Without" is the best of the runs without the idea. Exits with 1 where a
system does not win under every seed.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.systems.planted_stores import TRIALS, Trial


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("systems", nargs="*", choices=[*TRIALS, []], help="which of them (default: all)")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--small", action="store_true", help="the size of the test suite")
    arguments = parser.parse_args()
    print(f"{'system':16}{'with':>22}{'without':>22}  the label depends on")
    lost = []
    for name in arguments.systems or TRIALS:
        with tempfile.TemporaryDirectory() as folder:
            if not _row(TRIALS[name], Path(folder), seeds=arguments.seeds, small=arguments.small):
                lost.append(name)
    print(f"without a win under every seed: {', '.join(lost) or 'none'}")
    return 1 if lost else 0


def _row(trial: Trial, folder: Path, *, seeds: int, small: bool) -> bool:
    os.environ["MERC_CACHE"] = str(folder / "cache")
    size = trial.small if small else trial.full
    figures = [trial.figures(folder / f"seed{seed}", seed=seed, size=size) for seed in range(seeds)]
    ours, without = (" ".join(f"{100 * one:5.1f}" for one in column) for column in zip(*figures, strict=True))
    print(f"{trial.system:16}{ours:>22}{without:>22}  {trial.idea}", flush=True)
    return all(with_idea > other for with_idea, other in figures)


if __name__ == "__main__":
    sys.exit(main())
