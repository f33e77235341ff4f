"""Fuzzing: how many damaged files are read or refused with a reason, and the slowest.

    python bench/fuzz.py                         each kind, with the damage of today
    python bench/fuzz.py --seed 20261201         with the damage of a day
    python bench/fuzz.py --kinds runs --count 50

    recordings    audio and video, as a check reads them
    tables        MELD's tables and manifests, as a check reads them
    transcripts   all formats that are read: read, aligned, written in all formats, read again
    timelines     results with edits, corrected files, stored voices: opened, edited, saved
    features      feature files of one's own, and stores: read, imported, verified
    runs          trained runs, heads with their cards, exported graphs: opened, and tried

Bytes are flipped, removed, zeroed and repeated; within text, JSON, archives and heads of safetensors, numbers are made
huge, lines long, nesting deep, and values those of another type. Nothing may crash (raise what is no error of merc),
end its process, take ten seconds of a processor, or be refused without a reason. Exits with 1 where something does.
Uploads to a server: ``python bench/serve.py --fuzz``.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.fuzzing import features, runs, timelines, transcripts
from bench.fuzzing.trying import CRASHED, Kind, tried
from tests.quality.fuzzed import LIMIT, Outcome, check_media, check_tables, media, tables

KINDS = {
    "transcripts": Kind(transcripts.whole, transcripts.look),
    "timelines": Kind(timelines.whole, timelines.look),
    "features": Kind(features.whole, features.look),
    "runs": Kind(runs.whole, runs.look, runs.SPARED),
}
COUNTS = {"recordings": 600, "tables": 400, "transcripts": 400, "timelines": 400, "features": 400, "runs": 200}
"""Files of each kind, where --count says nothing else."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", nargs="+", choices=COUNTS, default=list(COUNTS))
    parser.add_argument("--count", type=int, help="files of each kind")
    parser.add_argument("--seed", type=int, default=int(f"{date.today():%Y%m%d}"), help="default: the day")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    print(f"seed {given.seed}\n", flush=True)
    wrong = 0
    for kind in given.kinds:
        with tempfile.TemporaryDirectory() as folder:
            found = _outcomes(kind, Path(folder), given.count or COUNTS[kind], seed=given.seed, workers=given.workers)
            wrong += _table(kind, found)
    sys.exit(1 if wrong else 0)


def _outcomes(kind: str, folder: Path, count: int, *, seed: int, workers: int) -> Iterator[Outcome]:
    if kind == "recordings":
        return check_media(media(folder / "media", count, seed=seed), workers=workers)
    if kind == "tables":
        return check_tables(tables(folder / "tables", count, seed=seed))
    return tried(KINDS[kind], folder, count, seed=seed, workers=workers)


def _fault(one: Outcome) -> str | None:
    """What must not become of a file."""
    reason = one.reason
    if reason is not None and reason.startswith(CRASHED):
        return "crashed"
    if "process died" in (reason or ""):
        return "died"
    if "took longer than" in (reason or "") or one.seconds > LIMIT:
        return "hung"
    return "mute" if reason is not None and len(reason) < 15 else None


def _table(title: str, found: Iterable[Outcome]) -> int:
    """Print the counts of a kind; returns how many files have a fault."""
    outcomes = list(found)
    print(
        f"{title}\n{'damage':20}{'files':>7}{'read':>7}{'refused':>9}{'crashed':>9}{'died':>6}{'hung':>6}"
        f"{'slowest s':>11}"
    )
    for damage in [*dict.fromkeys(outcome.damage for outcome in outcomes), "all"]:
        own = [one for one in outcomes if damage in ("all", one.damage)]
        faults = [_fault(one) for one in own]
        read = sum(one.reason is None and not fault for one, fault in zip(own, faults, strict=True))
        counts = [faults.count(fault) for fault in ("crashed", "died", "hung")]
        refused = len(own) - read - sum(counts)
        print(f"{damage:20}{len(own):7}{read:7}{refused:9}{counts[0]:9}{counts[1]:6}{counts[2]:6}", end="")
        print(f"{max(one.seconds for one in own):11.2f}")
    wrong = [one for one in outcomes if _fault(one)]
    for one in wrong:
        print(f"  {_fault(one)}: {one}")
    print(flush=True)
    return len(wrong)


if __name__ == "__main__":
    main()
