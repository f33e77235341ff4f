"""Diarisation error rate on the reference clips, and CPU time.

    python bench/diarisation.py [folder of data]

Error rate = (missed + false alarm + confusion) / speech, including overlap, with unknown number of speakers; 0.25 s on
each side of a reference boundary are not scored (NIST's collar of .25, which is 0.5 in pyannote.metrics).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
import soundfile
from pyannote.core import Annotation
from pyannote.core import Segment as Stretch
from pyannote.core import Timeline as Stretches
from pyannote.metrics.diarization import DiarizationErrorRate

from merc.paths import data_root
from merc.people.diarise import diarise
from merc.speech.vad import detect_speech

RATE = 16000
CLIPS = (("sample", "sample.rttm"), *((f"trn0{i}", "debug.train.rttm") for i in (1, 2, 3)))


def reference(path: Path, name: str) -> Annotation:
    turns = Annotation()
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines()):
        fields = line.split()
        if fields[1] == name:
            turns[Stretch(float(fields[3]), float(fields[3]) + float(fields[4])), number] = fields[7]
    return turns


def measure(folder: Path, name: str, rttm: str) -> dict[str, float]:
    sound, rate = soundfile.read(folder / f"{name}.wav", dtype="float32")
    if rate != RATE:
        raise SystemExit(f"{name}.wav: {rate} Hz, expected {RATE}")
    samples = np.clip(np.rint(sound * 32768), -32768, 32767).astype(np.int16)
    truth = reference(folder / rttm, name)
    speech = detect_speech(samples)
    begun = time.process_time()
    found = diarise(samples, speech)
    spent = time.process_time() - begun
    turns = Annotation()
    for number, turn in enumerate(found.turns):
        turns[Stretch(turn.segment.start, turn.segment.end), number] = str(turn.speaker)
    metric = DiarizationErrorRate(collar=0.5, skip_overlap=False)
    whole = Stretches([Stretch(0, len(samples) / RATE)])
    parts = metric(truth, turns, uem=whole, detailed=True)
    return {
        "error rate": parts["diarization error rate"],
        "missed": parts["missed detection"],
        "false alarm": parts["false alarm"],
        "confusion": parts["confusion"],
        "scored": parts["total"],
        "speakers": found.count,
        "true": len(truth.labels()),
        "cpu s/s": spent / (len(samples) / RATE),
    }


def main() -> None:
    folder = (Path(sys.argv[1]) if len(sys.argv) > 1 else data_root()) / "clips"
    if not folder.is_dir():
        raise SystemExit(f"no clips at {folder}: set MERC_DATA, or give the folder of data")
    measure(folder, *CLIPS[0])  # the first run imports torch
    rows = {name: measure(folder, name, rttm) for name, rttm in CLIPS}
    columns = list(next(iter(rows.values())))
    print("| clip | " + " | ".join(columns) + " |")
    print("|" + "---|" * (len(columns) + 1))
    for name, row in rows.items():
        print(
            f"| {name} | "
            + " | ".join(f"{row[c]:.0f}" if c in ("speakers", "true") else f"{row[c]:.3f}" for c in columns)
            + " |"
        )
    print(f"| mean | {np.mean([row['error rate'] for row in rows.values()]):.3f} |" + " |" * (len(columns) - 1))


if __name__ == "__main__":
    main()
