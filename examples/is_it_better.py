"""Is one run better than another, or is the difference chance? A paired bootstrap over the dialogues of the test split.

    python examples/is_it_better.py runs/concat runs/cogmen

Each run is a folder of ``merc train``, on the same protocol. Each call opens the test split, which is recorded.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from merc.benchmarks.run_report import report_run
from merc.evaluation.resampling import estimate
from merc.evaluation.significance import compare


def main(first: str, second: str, metric: str = "weighted_f1") -> None:
    """Print both figures with their intervals, the difference with its interval, and p."""
    runs = [replace(report_run(Path(one), split="test").diagnostics.runs, name=one) for one in (first, second)]
    for one in runs:
        found = estimate(one, metric=metric)
        print(f"{one.name}: {metric} {found.mean:.3f} (95 % interval {found.low:.3f} to {found.high:.3f})")
    both = compare(*runs, metric=metric)
    print(f"difference {both.difference:+.3f} ({both.low:+.3f} to {both.high:+.3f}), p = {both.p:.3f}")
    print(f"better: {both.better or 'neither, as far as these dialogues can tell'}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
