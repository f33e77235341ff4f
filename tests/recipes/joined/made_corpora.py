"""MELD, CMU-MOSI and IEMOCAP in their official layouts, a dialogue a few lines, and vectors of the words."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from merc.features.store import Feature, Writer
from merc.labels import EKMAN7

SENTIMENT = {"joy": "positive", "neutral": "neutral", "surprise": "positive"}
CUES = dict(zip(EKMAN7, np.eye(7), strict=True))


def meld(root: Path, *, dialogues: Sequence[tuple[str, int]] = (("train", 8), ("dev", 3), ("test", 3))) -> None:
    """Every dialogue says each class once; the words name it."""
    folder = root / "meld"
    folder.mkdir(parents=True)
    with Writer(root / "store", Feature("cues", (7,), {"encoder": "cues"}, corpus="meld")) as writer:
        for split, count in dialogues:
            with (folder / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
                rows = csv.writer(file)
                rows.writerow(["Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID"])
                for dialogue in range(count):
                    for turn in range(7):
                        label = EKMAN7[(turn + dialogue) % 7]
                        sentiment = SENTIMENT.get(label, "negative")
                        rows.writerow([f"of {label}", "FM"[turn % 2], label, sentiment, dialogue, turn])
                        writer.add(f"{split}/dia{dialogue}_utt{turn}", CUES[label])


def mosi(root: Path, *, scores: bool = True, videos: int = 8) -> None:
    """Reviews whose words name the emotion that their sentiment score goes with."""
    folder = root / "cmu_mosi"
    folder.mkdir(parents=True)
    with (folder / "utterances.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["utt_id", "text", "label", "split", "video_id", "utt_index", *(["score"] if scores else [])])
        for video in range(videos):
            split = "test" if video >= videos - 2 else "train"
            for turn, (word, score) in enumerate((("joy", 2.4), ("anger", -1.6), ("sadness", -2.6), ("joy", 1.8))):
                row = [f"v{video}_{turn}", f"OF {word.upper()}", int(score > 0), split, f"v{video}", turn]
                rows.writerow([*row, *([score] if scores else [])])
