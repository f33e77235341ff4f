"""Learning classes and dimensions at once against learning either alone, by trained runs on the same test utterances.

    merc train bridge_tokens --protocol iemocap4-dimensions --out runs/both
    merc train bridge_tokens --protocol iemocap4-speaker --out runs/classes
    merc train bridge_tokens --protocol iemocap-dimensions:speaker --out runs/values
    python bench/multitask.py --both runs/both --classes runs/classes --values runs/values

Several folders after an option are seeds. Prints UA, accuracy and CCC of each, and the difference with its 95 %
interval and p over resampled dialogues. Each run's test part is opened once, which its ledger records.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from merc.evaluation.resampling import AnyRuns, ValueRuns, runs_of
from merc.evaluation.scoring import pooled
from merc.evaluation.significance import compare
from merc.recipes.systems import Tested, TestedValues, evaluate


def tested(folders: Sequence[Path], name: str) -> dict[type, AnyRuns]:
    """The pooled answers of each seed, by kind: of classes, of values."""
    found = [list(evaluate(folder, split="test", reason="multi-task against single-task")) for folder in folders]
    made: dict[type, AnyRuns] = {}
    for kind in (Tested, TestedValues):
        seeds = [[one.answers for one in folds if isinstance(one, kind)] for folds in found]
        if all(seeds):
            made[kind] = runs_of(name, [pooled(folds) for folds in seeds])  # type: ignore[type-var]
    return made


def line(both: AnyRuns, alone: AnyRuns, metric: str, what: str) -> str:
    """Both figures and their difference."""
    found = compare(both, alone, metric=metric)
    first, second = (runs.figures(metric).mean() for runs in (both, alone))
    return (
        f"{what:<20}{first:8.4f}{second:8.4f}   {found.difference:+.4f} [{found.low:+.4f}, {found.high:+.4f}]  "
        f"p {found.p:.4f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("both", "classes", "values"):
        parser.add_argument(f"--{name}", type=Path, nargs="+", required=True)
    given = parser.parse_args()
    both, classes, values = (tested(getattr(given, name), name) for name in ("both", "classes", "values"))
    print(f"{'':<20}{'both':>8}{'alone':>8}   difference")
    for metric in ("unweighted_recall", "accuracy"):
        print(line(both[Tested], classes[Tested], metric, metric))
    joint, alone = both[TestedValues], values[TestedValues]
    assert isinstance(joint, ValueRuns) and isinstance(alone, ValueRuns)
    for name in joint.seeds[0].dimensions:
        first, second = (ValueRuns(runs.name, tuple(one.only(name) for one in runs.seeds)) for runs in (joint, alone))
        print(line(first, second, "ccc", f"ccc {name}"))
    print(line(joint, alone, "ccc", "ccc, mean"))


if __name__ == "__main__":
    main()
