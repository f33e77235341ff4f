"""A corpus of one's own: a manifest of planted dialogues, and features that tell its labels apart."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from merc.features.store import Feature, Writer

LABELS = ("calm", "tense")
WIDTH = 4
SPLITS = ("train", "train", "train", "dev", "test")


def utterances() -> list[tuple[str, int]]:
    """The id of every utterance and the number of its label."""
    return [(f"d{dialogue}_{turn}", (dialogue + turn) % 2) for dialogue in range(5) for turn in range(4)]


def vectors() -> np.ndarray:
    """One vector an utterance, ``(20, 4)``: 1 or -1 throughout by label, with some noise."""
    signs = np.array([1.0 - 2 * label for _, label in utterances()])
    noise = np.random.default_rng(0).normal(size=(len(signs), WIDTH))
    return (signs[:, None] + 0.2 * noise).astype(np.float32)


def manifest(folder: Path) -> Path:
    """The table, in a folder."""
    path = folder / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(("conversation", "utterance", "speaker", "text", "label", "valence", "split"))
        for name, label in utterances():
            dialogue = int(name[1])
            rows.writerow((f"d{dialogue}", name, f"s{dialogue}", "Well.", LABELS[label], label, SPLITS[dialogue]))
    return path


def store(folder: Path) -> Path:
    """The vectors as the feature ``mine`` of a store."""
    with Writer(folder / "store", Feature("mine", (WIDTH,), {"encoder": "mine"})) as writer:
        for (name, _), row in zip(utterances(), vectors(), strict=True):
            writer.add(name, row)
    return folder / "store"
