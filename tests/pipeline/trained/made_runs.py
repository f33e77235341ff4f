"""Runs trained on planted corpora, for analyses by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merc.features.store import Feature, Writer
from merc.recipes.request import Request
from merc.recipes.systems import train

LABELS = ("calm", "loud", "soft")
WIDTH = 768
MPNET = "mpnet"


def described(encoder: str = MPNET) -> dict[str, object]:
    """The description of an encoder, as a store has it."""
    from merc.features.encoder import ENCODERS

    return ENCODERS[encoder]().describe()


def corpus(folder: Path, *, stated: str = "") -> Path:
    """Ten dialogues of six turns whose labels take turns."""
    splits = [*["train"] * 7, "dev", "dev", "test"]
    rows = [
        f"d{n},d{n}_{turn},s{turn % 2},Words.,{LABELS[(n + turn) % 3]},{turn},{splits[n]}"
        for n in range(10)
        for turn in range(6)
    ]
    path = folder / "mine.csv"
    path.write_text("\n".join(["conversation,utterance,speaker,text,label,valence,split", *rows]) + "\n")
    path.with_suffix(".toml").write_text(stated)
    return path


def vectors(seed: int = 0) -> dict[str, np.ndarray]:
    """One vector per utterance that tells the three labels apart."""
    centres = np.random.default_rng(1).normal(size=(3, WIDTH))
    noise = np.random.default_rng(seed)
    return {
        f"d{n}_{turn}": (centres[(n + turn) % 3] + 0.3 * noise.normal(size=WIDTH)).astype(np.float32)
        for n in range(10)
        for turn in range(6)
    }


def run(
    folder: Path, *, stated: str = "", description: dict[str, object] | None = None, system: str = "concat"
) -> Path:
    """The folder of a trained run."""
    table = corpus(folder, stated=stated)
    with Writer(folder / "store", Feature("mine", (WIDTH,), description or described())) as writer:
        for name, row in vectors().items():
            writer.add(name, row)
    training = {"epochs": 25, "learning_rate": 0.01, "threads": 1}
    request = Request(system, f"manifest:{table}", f"text={folder / 'store'}:mine", training=training)
    list(train(request, folder / "run"))
    return folder / "run"
