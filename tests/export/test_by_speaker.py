from __future__ import annotations

import csv
from pathlib import Path

from merc.export import by_speaker
from merc.labels import EKMAN7
from tests.edits.made_edits import talk
from tests.formats.made_timelines import timeline


def test_each_speaker_has_a_row_with_counts_seconds_shares_and_means(tmp_path: Path) -> None:
    by_speaker.write(talk(), tmp_path / "speakers.csv")
    with (tmp_path / "speakers.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["speaker"], row["utterances"], row["seconds"], row["words"]) for row in rows] == [
        ("Speaker 1", "2", "2.0", "4"),
        ("Speaker 2", "1", "2.0", "4"),
        ("Speaker 3", "1", "0.0", "2"),
    ]
    first, second, third = rows
    assert (first["n_joy"], first["seconds_joy"], first["share_anger"]) == ("1", "1.0", "0.5")
    assert (second["n_none"], second["seconds_none"], second["share_none"]) == ("1", "2.0", "1.0")
    assert (third["n_joy"], third["share_joy"]) == ("1", ""), "without times there is no share of time"
    assert first["p_joy"] == f"{(0.7 + 0.05) / 2:.3f}"
    assert sum(int(row[f"n_{label}"]) for row in rows for label in (*EKMAN7, "none")) == 4


def test_without_utterances_there_is_a_header(tmp_path: Path) -> None:
    by_speaker.write(timeline(), tmp_path / "speakers.csv")
    assert (tmp_path / "speakers.csv").read_text() == "speaker\n"
