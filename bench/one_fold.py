"""Test figures of one fold of several runs, where training all folds takes too long; 'merc evaluate' wants all of them.

    merc train word_alignment --protocol nemo-speaker --fold fold-1 --features voice=whisper-base-50hz,text=words \
        --set system.words=true --set system.frames=5 --out runs/aligned
    merc train word_alignment … --set system.fusion=concat --out runs/pooled
    python bench/one_fold.py runs/aligned runs/pooled --fold fold-1 [--results docs/results]

The first run is what the others are compared with, by McNemar's test on their utterances: the few speakers of one fold
are too few to resample. The fold's test part is opened once a run, which its ledger records.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from merc.benchmarks.pages import TableOutput, publish
from merc.evaluation.metrics import figures
from merc.evaluation.parts import Ledger
from merc.evaluation.significance import mcnemar
from merc.recipes.request import Prepared
from merc.recipes.systems import Tested, load_fold, load_run, tested
from merc.reporting.leaderboard import probability
from merc.reporting.markdown import aligned, table

METRICS = ("unweighted_recall", "accuracy", "macro_f1")


def one_fold(folder: Path, name: str) -> tuple[Prepared, Tested]:
    """A run, and what its network of a fold answers on the test part."""
    prepared = load_run(folder)
    fold = next(one for one in prepared.folds() if one.name == name)
    ledger = Ledger(folder / "ledger.jsonl").of(prepared.request.system, seed=prepared.request.seed)
    part = fold.test.open(f"one fold, {name}", ledger=ledger)
    return prepared, tested(load_fold(folder, prepared, fold), part, labels=prepared.classes)


def row(name: str, found: Tested, first: Tested) -> tuple[str, ...]:
    """Figures in percent, and p against the first run."""
    matrix = found.answers.matrix.astype(float)
    right = [one.answers.predicted == one.answers.true for one in (found, first)]
    p = "" if found is first else probability(mcnemar(*right))
    return (name, *(f"{100 * float(figures(matrix, metric)):.1f}" for metric in METRICS), p)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--fold", default="fold-1")
    parser.add_argument("--results", type=Path, help="folder of pages where the table is saved")
    chosen = parser.parse_args()
    found = {folder.name: one_fold(folder, chosen.fold) for folder in chosen.runs}
    prepared, first = next(iter(found.values()))
    rows = tuple(row(name, answered, first) for name, (_, answered) in found.items())
    rows = (("run", *METRICS, "McNemar p against the first"), *rows)
    print(aligned(table(rows)))
    if chosen.results:
        system, protocol = prepared.request.system, prepared.protocol.name
        settings = "; ".join(f"{name}: {settings_of(one)}" for name, (one, _) in found.items())
        people = len(set(first.answers.speakers))
        text = (
            f"{chosen.fold} of {protocol} alone: {len(first.answers):,} test utterances of {people} speakers, seed "
            f"{prepared.request.seed}. {settings}."
        )
        command = f"python bench/one_fold.py {' '.join(map(str, found))} --fold {chosen.fold} --results docs/results"
        heading = f"{system} on one fold of {protocol}"
        made = TableOutput("speech", f"speech-{system.replace('_', '-')}", heading, command, text, rows)
        publish(made, chosen.results)


def settings_of(prepared: Prepared) -> str:
    """What differs from the defaults, and what is read."""
    request = prepared.request
    changed = {**prepared.system_options, **request.training}
    return ", ".join([*(request.modalities or ()), *(f"{name} {value}" for name, value in changed.items())])


if __name__ == "__main__":
    main()
