"""Search the constants that tell voices apart, on what is kept of recordings: seconds a combination.

    python bench/diarisation.py --sets planted --each 15 --keep FOLDER      listen once, keep what is heard
    python bench/diarisation_search.py FOLDER                               then try combinations, the best first
    python bench/diarisation_search.py FOLDER --price .02 .025 --noise 1.3  of other values

A row has the share of recordings whose number of voices is right and the mean share of the voices' seconds that are
given to another, both of the dialogues of two to six people, then the share right of seven or eight ("many") and of one
("alone"). Rows are in order of all recordings with the right number, less a tenth of the mean confusion in percent.
"""

from __future__ import annotations

import argparse
import itertools
import pickle
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import linear_sum_assignment

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.diarisation import SCENES, Kept
from merc.people import clustering
from merc.people.diarise import told_apart

VALUES = {
    "price": (0.0125, 0.0175, 0.0225, 0.0275),
    "two_voices": (0.4, 0.45, 0.5, 0.55),
    "noise": (0.8, 1.3, 1.8),
    "one_voice": (0.56, 0.62, 0.68),
}
"""What is tried of each constant of `merc.people.clustering`."""
_STEP = 0.02  # seconds at which voices are compared


@dataclass(frozen=True)
class Case:
    """A kept recording of one kind, and who speaks alone at each step: ``(people, steps)`` bool."""

    kind: str
    kept: Kept
    spoken: np.ndarray


def main() -> None:
    """Parse arguments and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of bench/diarisation.py --keep")
    for name, values in VALUES.items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, nargs="+", default=values)
    arguments = parser.parse_args()
    sys.modules["__main__"].Kept = Kept  # type: ignore[attr-defined]  # as the bench has written it
    cases = [case for kind in SCENES for case in _cases(arguments.folder, kind)]
    if not cases:
        raise SystemExit(f"{arguments.folder}: nothing kept of the tuning half; run bench/diarisation.py --keep first")
    print(f"{len(cases)} recordings; {', '.join(VALUES)}: right, confusion, many, alone")
    rows = []
    for values in itertools.product(*(getattr(arguments, name) for name in VALUES)):
        for name, value in zip(VALUES, values, strict=True):
            setattr(clustering, f"_{name.upper()}", value)
        rows.append((*judged(cases), values))
    for _, shares, values in sorted(rows, key=lambda row: -row[0])[:15]:
        print(" ".join(f"{value:g}" for value in values) + ": " + " ".join(f"{share:.3f}" for share in shares))


def judged(cases: Sequence[Case]) -> tuple[float, list[float]]:
    """The order of a combination, and its row."""
    found = [(case.kind, *compared(case)) for case in cases]
    between = [(right, wrong) for kind, right, wrong in found if kind not in ("many", "alone")]
    ends = [[right for kind, right, _ in found if kind == name] or [np.nan] for name in ("many", "alone")]
    right, wrong = np.mean(between, axis=0)
    order = sum(right for _, right, _ in found) - 10 * wrong
    return float(order), [float(right), float(wrong), *(float(np.mean(end)) for end in ends)]


def compared(case: Case) -> tuple[bool, float]:
    """Whether the number of voices is right, and the share of their seconds that are given to another."""
    found = told_apart(case.kept.heard)
    said = np.zeros((max(1, found.count), case.spoken.shape[1]), bool)
    for turn in found.turns:
        said[turn.speaker, round(turn.segment.start / _STEP) : round(turn.segment.end / _STEP)] = True
    both = case.spoken.astype(np.float32) @ said.T.astype(np.float32)
    heard = (case.spoken.any(axis=0) & said.any(axis=0)).sum()
    same = both[linear_sum_assignment(-both)].sum()
    return found.count == len(case.spoken), float(1 - same / max(1, heard))


def _cases(folder: Path, kind: str) -> list[Case]:
    cases = []
    for path in sorted(folder.glob(f"tuning-{kind}-*.pickle")):
        kept: Kept = pickle.loads(path.read_bytes())  # noqa: S301 - of the other bench's making
        names = sorted(kept.truth.labels())
        spoken = np.zeros((len(names), round(kept.heard.end / _STEP) + 1), bool)
        for stretch, _, name in kept.truth.itertracks(yield_label=True):
            spoken[names.index(name), round(stretch.start / _STEP) : round(stretch.end / _STEP)] = True
        spoken[:, spoken.sum(axis=0) != 1] = False
        cases.append(Case(kind, kept, spoken))
    return cases


if __name__ == "__main__":
    main()
