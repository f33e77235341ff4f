"""Label leakage in the released features of CMU-MOSI: a linear probe.

    MERC_DATA=corpora python bench/mosi_leak.py

Logistic regression on standardised features, trained on the first 52 of the 62 training videos in the order of their
ids and tested on the other 10 and on the test split. Without leakage the accuracy would be about the same on both.
"""

from __future__ import annotations

import argparse

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merc.corpora import CONVERSATIONS
from merc.corpora.tables import features
from merc.paths import data_root

HELD_OUT = 10


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    root = data_root() / "cmu_mosi"
    videos = sorted(CONVERSATIONS["cmu-mosi"](root), key=lambda video: video.id)
    train = [video for video in videos if video.meta["split"] == "train"]
    parts = {
        "fitted": train[:-HELD_OUT],
        "held out": train[-HELD_OUT:],
        "test": [video for video in videos if video.meta["split"] == "test"],
    }
    print(", ".join(f"{name}: {len(part)} videos, {sum(map(len, part))} utterances" for name, part in parts.items()))
    print(f"{'accuracy in %':16}" + "".join(f"{name:>10}" for name in parts))
    for modality, table in features("cmu-mosi", root).items():
        rows = dict(zip(table.ids, table.values, strict=True))
        given = {
            name: (
                np.array([rows[utterance.id] for video in part for utterance in video]),
                np.array([utterance.label for video in part for utterance in video]),
            )
            for name, part in parts.items()
        }
        probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(*given["fitted"])
        print(f"{modality:16}" + "".join(f"{100 * probe.score(*pair):10.1f}" for pair in given.values()))
    labels = [utterance.label for video in parts["test"] for utterance in video]
    most = max(labels.count(label) for label in set(labels)) / len(labels)
    print(f"majority class of the test split: {100 * most:.1f}")


if __name__ == "__main__":
    main()
