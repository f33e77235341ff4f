"""Recall and false removals of ``merc check`` on planted faults, in a corpus made of real speech and faces.

    MERC_DATA=corpora python bench/planted.py             240 clips, 12 or more of each of nine faults
    MERC_DATA=corpora python bench/planted.py --keep DIR   keep corpus and results in a folder, and reuse it

A fault is found if the utterance is removed at any step; "own step" counts removals at the steps that are meant to find
it. False removals are clean utterances that these steps removed. All thresholds are the defaults; utterances with a
doubtful voice are removed.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from merc.corpora import CONVERSATIONS
from merc.paths import data_root
from merc.quality.options import CheckOptions
from merc.quality.report import page
from merc.quality.run import Checked, check
from tests.quality.planted import FAULTS, STEPS, Plan, build


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="folder for the corpus and the results")
    parser.add_argument("--dialogues", type=int, default=24)
    parser.add_argument("--each", type=int, default=12)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    data = data_root()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        faults = _corpus(data, folder, Plan(dialogues=arguments.dialogues, each=arguments.each))
        _run(folder, faults, arguments.workers)


def _corpus(data: Path, folder: Path, plan: Plan) -> dict[str, str | None]:
    known = folder / "faults.json"
    if not known.exists():
        planted = build(data, folder / "corpus", plan)
        known.write_text(json.dumps(planted.faults, indent=1), "utf-8")
    faults: dict[str, str | None] = json.loads(known.read_text("utf-8"))
    return faults


def _run(folder: Path, faults: dict[str, str | None], workers: int) -> None:
    conversations = CONVERSATIONS["meld"](folder / "corpus")
    start = time.perf_counter()
    checked = check(conversations, folder / "check", options=CheckOptions(workers=workers, remove_voice=True))
    seconds = time.perf_counter() - start
    clean = sum(fault is None for fault in faults.values())
    print(f"{len(faults)} clips, {clean} clean; {checked.measured} measurements in {seconds:.0f} s")
    _table(checked, faults)
    page.write(checked.findings, checked.verified, folder / "check", title="Planted faults")


def _table(checked: Checked, faults: dict[str, str | None]) -> None:
    step = dict(checked.verified.select("utterance", "step").iter_rows())
    clean = Counter(step[name] for name, fault in faults.items() if fault is None)
    total = sum(clean.values())
    print(f"\n{'fault':22}{'planted':>8}{'found':>7}{'recall':>8}{'own step':>10}{'false':>7}{'rate':>7}")
    for fault in FAULTS:
        steps = [step[name] for name, planted in faults.items() if planted == fault]
        if not steps:
            continue
        found, own = sum(one is not None for one in steps), sum(one in STEPS[fault] for one in steps)
        false = sum(clean[one] for one in STEPS[fault])
        print(
            f"{fault:22}{len(steps):8}{found:7}{found / len(steps):8.3f}{own / len(steps):10.3f}"
            f"{false:7}{false / total:7.3f}"
        )
    removed = total - clean[None]
    print(f"{'clean, any step':22}{total:8}{removed:7}{removed / total:8.3f}  {dict(clean)}")


if __name__ == "__main__":
    main()
