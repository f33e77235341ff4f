"""What searching options is worth: cogmen's defaults against the best of a search, on IEMOCAP in six classes.

    MERC_DATA=... OMP_NUM_THREADS=1 python bench/search.py --trials 30 --seeds 3

The search sees validation alone, with seed 0. Then both are trained with every seed, and the test part of each run is
opened once. Figures are means over seeds, with their standard deviation over seeds after "±" and 95 % intervals over
resampled dialogues in brackets; the last line is the paired difference on the test part. Repeating the command resumes:
trials (an interrupted one at its checkpoint), trainings and answers that are there are not made again.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from merc.cache import replacing
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import Runs, estimate
from merc.evaluation.scoring import Answers, pooled
from merc.evaluation.significance import compare
from merc.paths import cache_root
from merc.progress import LogLines
from merc.recipes.request import Request
from merc.recipes.systems import Tested, evaluate, train
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


PARTS = ("valid", "test")


def answers(request: Request, out: Path) -> dict[str, Answers]:
    """The answers of a training on validation and test, by part; kept, so that the test part is opened once."""
    kept = out / "answers.json"
    if not kept.exists():
        list(train(request, out))
        found = {part: _plain(_pooled(request, out, part)) for part in PARTS}
        with replacing(kept) as temporary:
            temporary.write_text(json.dumps(found), encoding="utf-8")
    return {part: _answers(one) for part, one in json.loads(kept.read_text(encoding="utf-8")).items()}


def _pooled(request: Request, out: Path, part: str) -> Answers:
    tested = list(evaluate(out, split=part, data=request.data, reason="searched options against the defaults"))
    return pooled([one.answers for one in tested if isinstance(one, Tested)])


def _plain(found: Answers) -> dict[str, object]:
    rows = {"true": found.true.tolist(), "predicted": found.predicted.tolist()}
    who = {name: list(getattr(found, name)) for name in ("labels", "ids", "dialogues", "speakers")}
    return {**who, **rows}


def _answers(facts: dict[str, list]) -> Answers:
    who = {name: tuple(facts[name]) for name in ("labels", "ids", "dialogues", "speakers")}
    return Answers(**who, **{name: np.array(facts[name], np.int64) for name in ("true", "predicted")})


def report(name: str, default: dict[str, Runs], searched: dict[str, Runs], metric: str) -> str:
    """A row for the defaults, one for what was searched, and their difference on the test part, in percent."""
    lines = [f"{name}, {metric}, {len(default['test'].seeds)} seeds | validation | test"]
    for rows in (default, searched):
        lines.append(" | ".join([rows["test"].name, *(_figure(rows[part], metric) for part in PARTS)]))
    pair = compare(searched["test"], default["test"], metric=metric)
    ends = f"[{100 * pair.low:+.2f}, {100 * pair.high:+.2f}]"
    count = default["test"].dialogues
    lines.append(
        f"searched less default, test: {100 * pair.difference:+.2f} {ends}, p {pair.p:.4f} (paired, {count} dialogues)"
    )
    return "\n".join(lines)


def _figure(runs: Runs, metric: str) -> str:
    found = estimate(runs, metric=metric)
    spread = "" if found.sd is None else f" ± {100 * found.sd:.2f}"
    return f"{100 * found.mean:.2f}{spread} [{100 * found.low:.2f}, {100 * found.high:.2f}]"


def main() -> None:
    given = arguments()
    if PROTOCOLS[given.protocol].regression:
        raise InputError(f"protocol '{given.protocol}' measures values; this bench compares labels")
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
    runs = []
    for name, request in {"default": usual, "searched": what.drawn(found.values)}.items():
        folders = {seed: given.out / f"{name}-{seed}" for seed in range(given.seeds)}
        seeds = [answers(replace(request, seed=seed), folder) for seed, folder in folders.items()]
        runs.append({part: Runs(name, tuple(one[part] for one in seeds)) for part in PARTS})
    print(report(f"{given.protocol}, {given.system}", *runs, PROTOCOLS[given.protocol].metric))


if __name__ == "__main__":
    main()
