"""What ``--engine ray`` costs and bears: overhead, scaling, killed nodes, a full object store, a file that kills.

    python bench/cluster.py --overhead 16     analyses: 2 workers of Ray on one node against 2 processes (at most 15 %)
    python bench/cluster.py --scale 16        analyses: two nodes of one worker against one (at least 1.6 times)
    python bench/cluster.py --kills 10        ten of two nodes killed while they work, each replaced by another
    python bench/cluster.py --full 8          results of 4 MB while the object store is full
    python bench/cluster.py --poison 20       one of these items kills its worker whenever it runs

Clusters run on this machine, each node with processes of its own. Analyses are those of ``merc analyze`` with an empty
cache, of sound of the bundled sample (20 s each) or of the recordings in ``--media FOLDER``. Seconds are wall time from
the moment at which each worker has had its first recording, so that its models are loaded; the machine should be idle.
Items of the other runs wait or write a line. Exit code 1: a level was not reached.
"""

from __future__ import annotations

import argparse
import collections
import math
import os
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.serve import sound
from merc.execution import Engine, Executor
from merc.media.container import probe
from merc.paths import weights_root
from merc.pipeline.batch import Analysis, BatchOptions, Request, limit_threads
from merc.pipeline.recordings import search
from tests.execution.cluster import STORE, nodes
from tests.execution.functions import make

OVERHEAD, SPEEDUP = 0.15, 1.6
"""Most overhead on one node, and least speed-up by a second one."""


@dataclass(frozen=True)
class Measured:
    """Some analyses by an executor: minutes of recordings and seconds after the first of each worker, bytes written."""

    start: float
    seconds: float
    minutes: float
    written: int
    failed: int

    @property
    def rate(self) -> float:
        """Minutes of recordings a second."""
        return self.minutes / self.seconds


def recordings(arguments: argparse.Namespace, count: int, folder: Path) -> list[Path]:
    """Cuts of the sample's sound at different times, or the first recordings of a folder."""
    if arguments.media:
        return [path for path in search([arguments.media]).recordings if isinstance(path, Path)][:count]
    (folder / "in").mkdir()
    return [
        sound(folder / "in" / f"{number:03}.wav", seconds=arguments.seconds, start=number * 0.25)
        for number in range(count)
    ]


def analysed(paths: Sequence[Path], opened: AbstractContextManager[Executor], workers: int, folder: Path) -> Measured:
    """Analyse recordings into a folder, with a cache of its own."""
    minutes = {path: probe(path).duration / 60 for path in paths}
    os.environ["MERC_WEIGHTS"] = str(weights_root())
    os.environ["MERC_CACHE"] = str(folder / "cache")  # workers get it
    began = time.perf_counter()
    ended, failed = list[tuple[float, Path]](), 0
    with opened as executor:
        requests = [Request(path, folder / "out" / path.stem) for path in paths]
        for row in executor.map(Analysis(limit_threads(BatchOptions(), 1)), requests):
            ended.append((time.perf_counter(), row.item.recording))
            failed += not row.ok
    written = sum(path.stat().st_size for path in (folder / "out").rglob("*") if path.is_file())
    first, last = ended[workers - 1][0], ended[-1][0]
    return Measured(first - began, last - first, sum(minutes[path] for _, path in ended[workers:]), written, failed)


def _print(name: str, one: Measured, workers: int, paths: Sequence[Path]) -> None:
    size = one.written / sum(probe(path).duration / 60 for path in paths) / 1024
    print(
        f"{name:<24} {one.start:7.1f} {one.seconds:9.1f} {workers * one.seconds / one.minutes:12.2f} {size:14.0f} "
        f"{one.failed:7}",
        flush=True,
    )


_HEAD = f"{'':<24} {'start s':>7} {'seconds':>9} {'worker s/min':>12} {'results kB/min':>14} {'failed':>7}"


def overhead(arguments: argparse.Namespace, folder: Path) -> bool:
    """Workers of Ray on one node against as many processes."""
    paths, workers = recordings(arguments, arguments.overhead, folder), arguments.workers
    print(f"{len(paths)} recordings, {workers} workers of one thread\n{_HEAD}")
    plain = analysed(paths, Engine().open(workers, timeout=math.inf), workers, folder / "processes")
    _print("processes", plain, workers, paths)
    with nodes(0, head=workers) as cluster:
        ray = analysed(paths, cluster.engine().open(workers, timeout=math.inf), workers, folder / "ray")
    _print("ray, one node", ray, workers, paths)
    cost = plain.rate / ray.rate - 1
    equal = _bytes(folder / "processes" / "out") == _bytes(folder / "ray" / "out")
    print(f"overhead of ray: {cost:+.1%} (at most {OVERHEAD:.0%}); results equal byte for byte: {equal}")
    return cost <= OVERHEAD and equal


def _bytes(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def scale(arguments: argparse.Namespace, folder: Path) -> bool:
    """Two nodes of one worker against one."""
    paths = recordings(arguments, arguments.scale, folder)
    print(f"{len(paths)} recordings, nodes of one worker of one thread\n{_HEAD}")
    with nodes(2) as cluster:
        found = []
        for count in (1, 2):
            opened = cluster.engine().open(count, timeout=math.inf)
            found.append(analysed(paths, opened, count, folder / f"{count}"))
            _print(f"ray, {count} {'nodes' if count > 1 else 'node'}", found[-1], count, paths)
    times = found[1].rate / found[0].rate
    print(f"speed-up by the second node: {times:.2f} (at least {SPEEDUP:g})")
    return times >= SPEEDUP


def kills(arguments: argparse.Namespace, folder: Path) -> bool:
    """Kill a node after every few rows and add another; each item has one row, and few are run twice."""
    log, each = folder / "log", 12
    items = [("logged", number, str(log), 0.3) for number in range(each * (arguments.kills + 1))]
    rows: list[Any] = []
    killed, killing = 0, None
    with nodes(2) as cluster, cluster.engine().open(2, timeout=math.inf) as executor:
        for row in executor.map(make, items):
            rows.append(row)
            if killing and not killing.is_alive():
                killing = cluster.add()
            elif len(rows) >= each * (killed + 1) and killed < arguments.kills and not killing:
                killed += 1
                killing = threading.Timer(0.15, cluster.kill)  # while the items that follow run
                killing.start()
    counts = collections.Counter(row.item for row in rows)
    runs = len(log.read_text().splitlines())
    lost, twice = len(set(items) - set(counts)), sum(count > 1 for count in counts.values())
    failed = sum(not row.ok for row in rows)
    print(f"{len(items)} items, {killed} nodes killed: {lost} lost, {twice} twice, {failed} failed")
    print(f"begun {runs} times: {runs - len(items)} repeated (at most one a kill)")
    return not (lost or twice or failed) and runs - len(items) <= killed == arguments.kills


def full(arguments: argparse.Namespace, folder: Path) -> bool:
    """Results of 4 MB from a node whose object store is full and may not move what it holds to a disk."""
    import ray

    settings = {"automatic_object_spilling_enabled": False}
    with nodes(0, head=1, **settings) as cluster, cluster.engine().open(1, timeout=math.inf) as executor:
        kept = [ray.put(bytes(4_000_000)) for _ in range(STORE // 4_000_000)]
        print(f"object store of {STORE / 1e6:.0f} MB with {len(kept)} objects of 4 MB")
        items = [("large", bytes(200_000 + number), 4_000_000) for number in range(arguments.full)]
        rows = list(executor.map(make, items))
    good = sum(row.ok and len(row.result[1]) == 4_000_000 for row in rows)
    print(f"{good} of {len(items)} results of 4 MB came")
    return good == len(items)


def poison(arguments: argparse.Namespace, folder: Path) -> bool:
    """An item that kills its worker is a row with its reason; the others have results."""
    items = [("exit",), *((f"item {number}",) for number in range(arguments.poison - 1))]
    with nodes(0, head=2) as cluster, cluster.engine().open(2, timeout=math.inf) as executor:
        rows = {row.item[0]: row.reason for row in executor.map(make, items)}
    reason = rows.pop("exit")
    good = sum(one is None for one in rows.values())
    print(f"{good} of {len(items) - 1} others have results; the reason of the one that kills: {reason}")
    return good == len(items) - 1 and "the process died" in (reason or "")


def main() -> None:
    """Parse arguments and run what they name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--overhead", type=int, default=0, help="recordings")
    parser.add_argument("--scale", type=int, default=0, help="recordings")
    parser.add_argument("--kills", type=int, default=0, help="nodes that are killed")
    parser.add_argument("--full", type=int, default=0, help="results")
    parser.add_argument("--poison", type=int, default=0, help="items")
    parser.add_argument("--workers", type=int, default=2, help="of --overhead")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a recording")
    parser.add_argument("--media", type=Path, help="a folder of recordings instead of the sample")
    arguments = parser.parse_args()
    paths = (str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH"))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))  # of the workers
    good = True
    for name, run in (("overhead", overhead), ("scale", scale), ("kills", kills), ("full", full), ("poison", poison)):
        if getattr(arguments, name):
            with tempfile.TemporaryDirectory() as folder:
                reached = run(arguments, Path(folder))
            print(f"{name}: {'reached' if reached else 'NOT reached'}\n", flush=True)
            good &= reached
    sys.exit(not good)


if __name__ == "__main__":
    main()
