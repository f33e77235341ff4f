"""Train a system on features of your own and measure it on the test split.

    python examples/own_features.py weather.csv features.npz runs/letters

The table is a corpus as in docs/how-to/train-on-your-own-corpus.md, with a column ``split``. The features are a toy,
counts of letters and marks: put yours there.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from merc.benchmarks.run_report import report_run
from merc.corpora.manifest import conversations
from merc.recipes.request import Request
from merc.recipes.systems import train

COUNTED = "abcdefghijklmnopqrstuvwxyz.,!?"


def vector(text: str) -> np.ndarray:
    """How often each character is in a text, per character: (30,) float32."""
    return np.array([text.lower().count(one) / max(1, len(text)) for one in COUNTED], np.float32)


def main(table: str, features: str, out: str) -> None:
    """Write one vector per utterance under its id, train on them, and print the report of the test split."""
    talks = conversations(Path(table))
    np.savez(features, **{one.id: vector(one.text) for talk in talks for one in talk.utterances})
    request = Request("concat", f"manifest:{table}", features=f"text={features}")
    for fold in train(request, Path(out)):
        print(f"fold {fold.fold.name} trained")
    print(report_run(Path(out), split="test").text())


if __name__ == "__main__":
    main(*sys.argv[1:4])
