"""Memory and seconds of ``merc analyze`` over many short recordings: neither may grow with their number.

    MERC_DATA=corpora python bench/batch.py                     100 clips of 3 seconds of three speech corpora
    MERC_DATA=corpora python bench/batch.py --each              a set of models for each clip, for comparison
    MERC_DATA=corpora python bench/batch.py --clips 30          fewer

All clips are analysed in one process with an empty cache. Memory is what is resident after a clip has been analysed and
its results are written; seconds are wall time, so the machine should be idle.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

from merc import AnalyzeOptions
from merc.cache import Cache
from merc.corpora import CORPORA, READERS
from merc.features.of_items import RATE, sounds
from merc.paths import corpus_root
from merc.pipeline.recognizer import Recognizer

SPOKEN = ("ravdess", "savee", "nemo")
EARLY = 3
"""The clip after which all models are loaded, with which the last one is compared."""


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


def main() -> None:
    """Analyse the clips and print a row at times, then the growth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=3.0, help="length of a clip")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--each", action="store_true", help="a set of models for each clip")
    arguments = parser.parse_args()
    memory, took, failed = [], [], 0
    with tempfile.TemporaryDirectory() as folder:
        (sound := Path(folder) / "clips").mkdir()
        recordings = clips(arguments.clips, sound, seconds=arguments.seconds)
        options, cache = AnalyzeOptions(threads=arguments.threads), Cache(Path(folder) / "cache")
        kept = Recognizer(options, cache=cache)
        print(f"{'clip':>5}{'MB':>8}{'seconds':>9}")
        for number, recording in enumerate(recordings, start=1):
            began = time.perf_counter()
            (row,) = (Recognizer(options, cache=cache) if arguments.each else kept).analyze_many([recording])
            if row.result is None:
                failed += 1
            else:
                row.result.save(Path(folder) / "out" / recording.stem)
            took.append(time.perf_counter() - began)
            memory.append(resident())
            if number in (1, EARLY) or number % 10 == 0:
                print(f"{number:>5}{memory[-1]:>8.0f}{took[-1]:>9.2f}", flush=True)
    late = took[EARLY:]
    print(f"{len(recordings)} clips, {failed} without a timeline; {statistics.median(late):.2f} s a clip (median)")
    print(f"resident after clip {len(memory)} against clip {EARLY}: {memory[-1] / memory[EARLY - 1]:.3f}")


if __name__ == "__main__":
    main()
