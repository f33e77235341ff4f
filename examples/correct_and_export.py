"""Correct a timeline in Python and write it for ELAN and a spreadsheet; the predictions stay as they are.

    python examples/correct_and_export.py interview.merc/timeline.json corrected

The results may be those of ``merc analyze``, ``merc listen`` or ``merc demo``.
"""

from __future__ import annotations

import sys

import merc
from merc.edits import Note, Relabel, Rename, edited


def main(results: str, folder: str) -> None:
    """Name the first speaker, give labels to the least confident utterances of hers, and save."""
    timeline = merc.read(results)
    first = next(utterance.speaker for utterance, _ in timeline if utterance.speaker)
    changes = [Rename(first, "Anna")]
    doubtful = [
        (prediction.confidence, utterance.id)
        for utterance, prediction in timeline
        if utterance.speaker == first and prediction.label is None
    ]
    for confidence, name in sorted(doubtful)[:3]:
        changes += [Relabel(name, "neutral"), Note(name, f"listened to again; the confidence was {confidence:.2f}")]
    corrected = edited(timeline, *changes, by="Eve")
    written = corrected.save(folder, formats=["json"])  # the predictions, and the edits next to them
    written += corrected.corrected.save(folder, formats=["eaf", "csv"])  # the edits applied
    print(*written, sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:3])
