"""Analyse a recording and print who said what with which label.

    python examples/read_a_recording.py interview.mp4

Needs the weights (``merc weights get``). A label of None is an abstention, with its reason.
"""

from __future__ import annotations

import sys

import merc


def main(recording: str) -> None:
    """Print one line per utterance: time, speaker, label, confidence and what each modality says on its own."""
    timeline = merc.analyze(recording)
    for utterance, prediction in timeline:
        start = utterance.segment.start if utterance.segment else 0.0
        label = prediction.label or f"none ({prediction.reason})"
        print(f"{start:7.2f} s  {utterance.speaker}: {utterance.text}")
        print(f"           {label}, {prediction.confidence:.2f}")
        for evidence in prediction.evidence:
            if evidence.probabilities:
                best = max(evidence.probabilities, key=evidence.probabilities.__getitem__)
                print(f"           {evidence.modality}: {best} {evidence.probabilities[best]:.2f}")
            else:
                print(f"           {evidence.modality}: {evidence.missing}")
    for note in timeline.notes:
        print(f"note: {note}")


if __name__ == "__main__":
    main(sys.argv[1])
