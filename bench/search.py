"""What searching options is worth: cogmen's defaults against the best of a search, on IEMOCAP in six classes.

    MERC_DATA=... OMP_NUM_THREADS=1 python bench/search.py --trials 30 --seeds 3

The search sees validation alone, with seed 0. Then both are trained with every seed, and the test part of each run is
opened once. Repeating the command resumes: trials, trainings and figures that are there are not made again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

from merc.benchmarks.run_report import RunReport, report_run
from merc.cache import replacing
from merc.paths import cache_root
from merc.progress import LogLines
from merc.recipes.request import Request
from merc.recipes.systems import train
from merc.search import space
from merc.search.study import Search, best, search


def arguments() -> argparse.Namespace:
    given = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    given.add_argument("--system", default="cogmen")
    given.add_argument("--protocol", default="iemocap6")
    given.add_argument("--features", help="as in merc train (default: the usual ones of the corpus)")
    given.add_argument("--trials", type=int, default=30)
    given.add_argument("--seeds", type=int, default=3)
    given.add_argument("--out", type=Path, default=cache_root() / "bench-search")
    return given.parse_args()


def figures(request: Request, out: Path) -> dict[str, float]:
    """Validation and test figure of a training, in percent; kept, so that the test part is opened once."""
    kept = out / "figures.json"
    if not kept.exists():
        list(train(request, out))
        found = {}
        for part in ("valid", "test"):
            report = report_run(out, split=part, data=request.data)
            assert isinstance(report, RunReport)
            found[part] = 100 * report.record.mean
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(found), encoding="utf-8")
    return dict(json.loads(kept.read_text(encoding="utf-8")))


def main() -> None:
    given = arguments()
    usual = Request(given.system, given.protocol, given.features)
    what = Search(usual, space.default_space(given.system), given.trials)
    print_line = LogLines(lambda line: print(line, flush=True))
    outcomes = []
    for outcome in search(what, given.out / "search", progress=print_line):
        outcomes.append(outcome)
        state = outcome.reason or f"{'pruned at ' if outcome.pruned else ''}{100 * (outcome.figure or 0):.2f}"
        print(f"trial {outcome.number}: {state}; {' '.join(space.settings(outcome.values))}", flush=True)
    found = best(what, outcomes)
    print(f"best: trial {found.number}; {' '.join(space.settings(found.values))}\n")
    print(f"{given.protocol}, {given.system}, {given.seeds} seeds | validation | test")
    for name, request in {"default": usual, "searched": what.drawn(found.values)}.items():
        rows = [figures(replace(request, seed=seed), given.out / f"{name}-{seed}") for seed in range(given.seeds)]
        parts = []
        for part in ("valid", "test"):
            values = [row[part] for row in rows]
            parts.append(f"{fmean(values):.2f} ± {stdev(values) if len(values) > 1 else 0:.2f}")
        print(f"{name} | {' | '.join(parts)}", flush=True)


if __name__ == "__main__":
    main()
