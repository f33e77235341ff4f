"""Quality control as an ablation: a planted corpus of real speech and faces, trained on all, on verified, weighted.

    MERC_DATA=corpora python bench/qc_ablation.py --keep DIR                     400 clips, a third of them with a fault
    MERC_DATA=corpora python bench/qc_ablation.py --keep DIR --results docs/results

The corpus is that of ``bench/planted.py`` in MELD's layout. ``merc check`` judges it with its default thresholds, and
`concat` on the voice is trained on all utterances, on those that the check keeps, with its quality scores as weights,
and, since the faults are known, on the clean ones: the right answer, which no check can surpass by more than chance.
Figures are of all test utterances and of those that the check keeps. DIR keeps corpus, findings, features and runs, so
that an interrupted bench resumes.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import polars as pl

from merc.benchmarks.pages import publish
from merc.benchmarks.report import run_bench
from merc.benchmarks.runner import BenchOptions
from merc.benchmarks.variants import named
from merc.corpora import CONVERSATIONS
from merc.paths import data_root
from merc.prepare.options import PrepareOptions
from merc.prepare.prepare import prepare
from merc.quality.options import CheckOptions
from merc.quality.report import page
from merc.quality.run import check
from tests.quality.planted import Plan, build

TITLE = "quality control on a planted corpus"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, required=True, help="folder for the corpus, findings, features and runs")
    parser.add_argument("--dialogues", type=int, default=40, help="of ten utterances each")
    parser.add_argument("--each", type=int, default=16, help="utterances with each of eight faults")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--encoder", default="whisper-base-middle", help="of the voice")
    parser.add_argument("--results", type=Path, help="folder of pages where the output is saved")
    given = parser.parse_args()
    folder: Path = given.keep
    if not (folder / "faults.json").exists():
        planted = build(data_root(), folder / "meld", Plan(dialogues=given.dialogues, each=given.each))
        (folder / "faults.json").write_text(json.dumps(planted.faults, indent=1), "utf-8")
    conversations = CONVERSATIONS["meld"](folder / "meld")
    if not (folder / "check" / "scores.parquet").exists():
        checked = check(conversations, folder / "check", options=CheckOptions(workers=given.workers))
        page.write(checked.findings, checked.verified, folder / "check", title=TITLE)
    _clean(folder)
    prepare(conversations, folder / "store", options=PrepareOptions(encoders=(given.encoder,), workers=given.workers))
    tables = {"verified": "check/verified", "scores as weights": "check/scores", "clean": "clean"}
    options = BenchOptions(
        only=("concat",),
        protocols=("meld-7",),
        features={"meld": f"voice={folder / 'store'}:{given.encoder}"},
        seeds=given.seeds,
        workers=given.workers,
        variants=named([f"{name}:weights={folder / path}.parquet" for name, path in tables.items()]),
        folder=folder / "runs",
        data=folder,
        subset=folder / "check" / "verified.parquet",
    )
    report = run_bench("variants", options, title=TITLE)
    print(report.tables())
    if given.results:
        publish(report, given.results)


def _clean(folder: Path) -> None:
    """A table of verdicts as a check without mistakes would give it."""
    faults: dict[str, str | None] = json.loads((folder / "faults.json").read_text("utf-8"))
    verdicts = ["remove" if fault else "keep" for fault in faults.values()]
    pl.DataFrame({"utterance": list(faults), "verdict": verdicts}).write_parquet(folder / "clean.parquet")


if __name__ == "__main__":
    main()
