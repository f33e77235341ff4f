"""Fuzzing of ``merc check``: how many damaged files are read or refused with a reason, and the slowest.

    python bench/fuzz.py                 600 recordings and 400 tables
    python bench/fuzz.py --seed 7        with other damage

Bits are flipped, parts removed, zeroed and repeated, tables of containers corrupted, numbers made extreme, encodings
changed. Nothing may crash, hang for ten seconds or be refused without a reason.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.quality.fuzzed import LIMIT, Outcome, check_media, check_tables, media, tables


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--media", type=int, default=600)
    parser.add_argument("--tables", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        recordings = media(Path(folder) / "media", arguments.media, seed=arguments.seed)
        _table("recordings (audio and video)", check_media(recordings, workers=arguments.workers))
        made = tables(Path(folder) / "tables", arguments.tables, seed=arguments.seed)
        _table("tables", check_tables(made))


def _table(title: str, found: Iterable[Outcome]) -> None:
    outcomes = list(found)
    print(f"{title}\n{'damage':20}{'files':>7}{'read':>7}{'refused':>9}{'died':>6}{'hung':>6}{'slowest s':>11}")
    for damage in [*dict.fromkeys(outcome.damage for outcome in outcomes), "all"]:
        own = [one for one in outcomes if damage in ("all", one.damage)]
        died = [one for one in own if "process died" in (one.reason or "")]
        hung = [one for one in own if "took longer than" in (one.reason or "") or one.seconds > LIMIT]
        read = sum(one.reason is None for one in own)
        slowest = max(one.seconds for one in own)
        print(
            f"{damage:20}{len(own):7}{read:7}{len(own) - read - len(died):9}{len(died):6}{len(hung):6}{slowest:11.2f}"
        )
        if damage == "all":
            for one in (*died, *hung):
                print(f"  {one}")
    print()


if __name__ == "__main__":
    main()
