"""Seconds, memory, and loading of models of ``merc analyze`` over many short recordings.

    MERC_DATA=corpora python bench/batch.py                     300 clips of 3 seconds of three speech corpora
    MERC_DATA=corpora python bench/batch.py --clips 60          fewer
    MERC_DATA=corpora python bench/batch.py --workers 1         in one process
    MERC_DATA=corpora python bench/batch.py --threads 1,2,4     one recording: equal bytes for each number of threads
                                                                and each OMP_NUM_THREADS

The clips are analysed and their results written with an empty cache by the processes of ``merc analyze --workers``.
Seconds a clip are the wall time from the moment at which each process has analysed its third clip, so that its models
are loaded, divided by the clips that follow. Memory is what is resident in a process after a clip, after its last one
against after its third. Hashing and loading are counted in each process: how often the file of a weight is hashed, and
a network is built.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import os
import subprocess
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from merc import sample
from merc.cache import Cache
from merc.corpora import CORPORA, READERS
from merc.execution import Processes
from merc.features.of_items import RATE, sounds
from merc.paths import corpus_root
from merc.pipeline.batch import Analysis, BatchOptions, Request, share_cores

SPOKEN = ("ravdess", "savee", "nemo")
EARLY = 3
"""The clip of a process after which all its models are loaded, with which its last one is compared."""
LOADED = {
    "Whisper": "faster_whisper.WhisperModel",
    "ONNX": "onnxruntime.InferenceSession",
    "CAM++": "merc.nn.campplus.CamPlus",
    "segmentation": "merc.nn.segmentation.Segmentation",
    "encoder of the voice": "merc.nn.whisper.WhisperNetwork",
    "reader of words": "merc.backbones.mpnet_dialogue.DialogueEncoder",
}
"""Classes whose making is counted."""


@dataclass(frozen=True)
class Measured:
    """What one process says after a clip."""

    process: int
    resident: float
    counts: Counter[str]
    ended: float


@dataclass(frozen=True)
class Counted:
    """An analysis that is measured: what the processes are given."""

    batch: BatchOptions

    def __call__(self) -> Callable[[Request], Measured]:
        counts = counted()
        analyse = Analysis(self.batch)()

        def run(request: Request) -> Measured:
            analyse(request)
            return Measured(os.getpid(), resident(), Counter(counts), time.time())

        return run


def counted() -> Counter[str]:
    """Count from now on how often files of weights are hashed and networks are made, in this process."""
    import importlib

    from merc.weights import local

    counts: Counter[str] = Counter()
    hashing = local.file_hash

    def hashed(path: Path) -> str:
        counts[f"hashed {path.parent.name}/{path.name}"] += 1
        return hashing(path)

    local.file_hash = hashed
    for name, place in LOADED.items():
        module, _, kind = place.rpartition(".")
        made = getattr(importlib.import_module(module), kind)
        made.__init__ = _counting(made.__init__, counts, f"loaded {name}")
    return counts


def _counting(function: Callable[..., Any], counts: Counter[str], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*given: Any, **named: Any) -> Any:
        counts[name] += 1
        return function(*given, **named)

    return call


def clips(count: int, folder: Path, *, seconds: float) -> list[Path]:
    """Write clips of utterances of the corpora in turn, cut or followed by silence to one length."""
    read = [READERS[name](corpus_root(name, CORPORA[name].folder)) for name in SPOKEN]
    mixed = itertools.chain.from_iterable(
        zip(*([own[n] for n in _spread(len(own), count)] for own in read), strict=True)
    )
    chosen = list(mixed)[:count]
    for number, item in enumerate(chosen):
        wave = next(iter(sounds([item])))[: round(seconds * RATE)]
        soundfile.write(folder / f"{number:03}.wav", np.pad(wave, (0, round(seconds * RATE) - len(wave))), RATE)
    return sorted(folder.glob("*.wav"))


def _spread(total: int, count: int) -> list[int]:
    """Places of ``count`` items among ``total``, evenly."""
    return [int(place) for place in np.linspace(0, total - 1, count)]


def resident() -> float:
    """Resident memory of this process in MB."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


def throughput(count: int, workers: int, *, seconds: float) -> None:
    """Analyse clips in processes, and print seconds, memory and counts."""
    rows: dict[int, list[Measured]] = defaultdict(list)
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "clips").mkdir()
        os.environ["MERC_CACHE"] = str(folder / "cache")  # the processes inherit it
        recordings = clips(count, folder / "clips", seconds=seconds)
        requests = [Request(path, folder / "out" / path.stem) for path in recordings]
        with Processes(workers, timeout=600) as executor:
            for row in executor.map(Counted(share_cores(BatchOptions(), workers)), requests):
                if row.result is None:
                    failed += 1
                    print(row.reason)
                else:
                    rows[row.result.process].append(row.result)
    own = list(rows.values())
    loaded = max(one[EARLY - 1].ended for one in own)
    late = [one.ended for measured in own for one in measured if one.ended > loaded]
    print(f"{len(recordings)} clips of {seconds:g} s, {workers} processes, {failed} without a timeline")
    print(f"seconds a clip after loading: {(max(late) - loaded) / len(late):.2f}")
    for number, measured in enumerate(own, 1):
        first, last = measured[EARLY - 1].resident, measured[-1].resident
        counts = measured[-1].counts
        hashes = {name: found for name, found in counts.items() if name.startswith("hashed")}
        print(
            f"process {number}: {len(measured)} clips; resident after the third {first:.0f} MB, after the last "
            f"{last:.0f} MB: {last / first:.3f}"
        )
        print(f"  files hashed: {len(hashes)}, each at most {max(hashes.values(), default=0)} times")
        print("  " + ", ".join(f"{name} {found}" for name, found in sorted(counts.items()) if name not in hashes))


def equal_threads(threads: list[int]) -> None:
    """Analyse the bundled sample with each number of threads and each ``OMP_NUM_THREADS``; print the hashes."""
    for count, variable in itertools.product(threads, (None, *threads)):
        setting = {name: value for name, value in os.environ.items() if name != "OMP_NUM_THREADS"}
        setting |= {} if variable is None else {"OMP_NUM_THREADS": str(variable)}
        with tempfile.TemporaryDirectory() as place:
            setting["MERC_CACHE"] = f"{place}/cache"
            command = ["merc", "analyze", str(sample.path()), "--out", f"{place}/out", "--threads", str(count), "-q"]
            began = time.perf_counter()
            subprocess.run(command, env=setting, check=True)
            took = time.perf_counter() - began
            digest = hashlib.sha256(Path(place, "out", "timeline.json").read_bytes()).hexdigest()
        named = "unset" if variable is None else variable
        print(f"--threads {count}, OMP_NUM_THREADS {named}: timeline.json {digest[:16]}, {took:.1f} s", flush=True)


def main() -> None:
    """Run what the options name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a clip")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--threads", help="numbers of threads to compare on one recording, separated by commas")
    arguments = parser.parse_args()
    os.environ["MERC_WEIGHTS"] = os.environ.get("MERC_WEIGHTS", str(Cache().root.parent / "weights"))
    if arguments.threads:
        equal_threads([int(count) for count in arguments.threads.split(",")])
    else:
        throughput(arguments.clips, arguments.workers, seconds=arguments.seconds)


if __name__ == "__main__":
    main()
