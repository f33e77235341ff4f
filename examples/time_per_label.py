"""How long does each speaker speak with which label? One table over many results, as CSV.

    python examples/time_per_label.py study/*.merc/timeline.json > table.csv

Needs polars (``pip install 'merc[corpora]'``).
"""

from __future__ import annotations

import sys

import polars as pl

import merc


def rows(path: str) -> list[dict[str, object]]:
    """One row per utterance that has a time; corrected labels where somebody corrected them."""
    timeline = merc.read(path).corrected
    return [
        {
            "recording": timeline.recording.name,
            "speaker": utterance.speaker or "unknown",
            "label": prediction.label or "none",
            "seconds": utterance.segment.end - utterance.segment.start,
        }
        for utterance, prediction in timeline
        if utterance.segment
    ]


def main(paths: list[str]) -> None:
    """Print seconds and share of speaking time by recording, speaker and label."""
    table = pl.DataFrame([row for path in paths for row in rows(path)])
    person = ["recording", "speaker"]
    summed = table.group_by(*person, "label").agg(pl.col("seconds").sum().round(2), pl.len().alias("utterances"))
    shares = summed.with_columns((pl.col("seconds") / pl.col("seconds").sum().over(person)).round(3).alias("share"))
    print(shares.sort(*person, "seconds", descending=[False, False, True]).write_csv(), end="")


if __name__ == "__main__":
    main(sys.argv[1:])
