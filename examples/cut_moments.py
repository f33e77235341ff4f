"""Cut the sound of all utterances with one label out of a recording, to listen to them one after the other.

    python examples/cut_moments.py interview.mp4 interview.merc/timeline.json anger moments

Writes one WAV file per utterance, with a quarter of a second before and after.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import soundfile

import merc
from merc.media.audio import RATE, decode_mono

MARGIN = 0.25  # seconds before and after


def main(recording: str, results: str, label: str, folder: str) -> None:
    """Write one WAV file per utterance with the label, named by time and speaker, the most confident first."""
    samples = np.asarray(decode_mono(recording).samples)
    found = [(u, p) for u, p in merc.read(results).corrected if p.label == label and u.segment]
    Path(folder).mkdir(parents=True, exist_ok=True)
    for utterance, prediction in sorted(found, key=lambda pair: -pair[1].confidence):
        first = max(0, round((utterance.segment.start - MARGIN) * RATE))
        last = round((utterance.segment.end + MARGIN) * RATE)
        path = Path(folder) / f"{utterance.segment.start:07.2f}-{utterance.speaker or 'unknown'}.wav"
        soundfile.write(path, samples[first:last], RATE)
        print(f"{path}  {prediction.confidence:.2f}  {utterance.text}")
    if not found:
        print(f"no utterance has the label '{label}'")


if __name__ == "__main__":
    main(*sys.argv[1:5])
