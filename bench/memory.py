"""Time of a training epoch with and without ``keep_freed_memory``, in separate processes, interleaved.

    python bench/memory.py --system joint_vectors_dialogue --rounds 3

Needs IEMOCAP in $MERC_DATA. Both train the same epochs, so the validation figures must agree.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from unittest import mock


def main() -> None:
    """Print the seconds of both and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--system", default="joint_vectors_dialogue")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once", choices=("default", "kept"))
    arguments = parser.parse_args()
    if arguments.once:
        print(json.dumps(once(arguments.system, kept=arguments.once == "kept")))
        return
    found: dict[str, list[float]] = {"default": [], "kept": []}
    figures = set()
    for _ in range(arguments.rounds):
        for mode, seconds in found.items():
            call = [sys.executable, __file__, "--system", arguments.system, "--once", mode]
            result = json.loads(subprocess.run(call, capture_output=True, text=True, check=True).stdout)
            seconds.append(result["seconds"])
            figures.add(result["valid"])
    usual, kept = (statistics.median(seconds) for seconds in found.values())
    print(
        f"{arguments.system}: default {usual:.2f} s, kept {kept:.2f} s for two epochs, {usual / kept:.2f} times as fast"
    )
    print(f"validation figures {'agree' if len(figures) == 1 else f'differ: {sorted(figures)}'}")


def once(system: str, *, kept: bool) -> dict[str, float]:
    """Train two epochs on a fold of IEMOCAP in this process."""
    from merc.nn.memory import keep_freed_memory
    from merc.recipes.request import Prepared, Request
    from merc.recipes.systems import train_fold

    prepared = Prepared(Request(system, "iemocap4-session", training={"epochs": 2}))
    with mock.patch("merc.training.loop.keep_freed_memory", keep_freed_memory if kept else bool):
        trained = train_fold(prepared, prepared.folds()[0])
    return {"seconds": trained.fitted.seconds, "valid": trained.fitted.history[-1]["weighted_f1"]}


if __name__ == "__main__":
    main()
