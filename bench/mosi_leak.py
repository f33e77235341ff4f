"""Label leakage in the released features of CMU-MOSI: a linear probe.

    MERC_DATA=corpora python bench/mosi_leak.py [--results docs/results]

Logistic regression on standardised features, trained on the first 52 of the 62 training videos in the order of their
ids and tested on the other 10 and on the test split. Without leakage the accuracy would be about the same on both.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from merc.benchmarks.pages import TableOutput, publish
from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS
from merc.corpora.tables import features
from merc.paths import data_root
from merc.reporting.markdown import aligned, table

HELD_OUT = 10


TEXT = (
    "Logistic regression on the standardised features of an utterance, trained on the first 52 of the 62 training "
    "videos in the order of their ids. Without leakage the accuracy on the ten training videos held out would be about "
    "that on test: text and video values were fitted to the labels of all training videos."
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, help="folder of pages where the table is saved")
    options = parser.parse_args()
    rows = probe(data_root() / "cmu_mosi")
    print(aligned(table(rows)))
    if options.results:
        heading = "Labels in the released features of CMU-MOSI"
        command = "python bench/mosi_leak.py --results docs/results"
        publish(TableOutput("probes", "probe-mosi-leak", heading, command, TEXT, rows), options.results)


def probe(root: Path) -> tuple[tuple[str, ...], ...]:
    """Accuracy in percent of each modality on the parts, and the share of the most frequent class."""
    videos = sorted(CONVERSATIONS["cmu-mosi"](root), key=lambda video: video.id)
    train = [video for video in videos if video.meta["split"] == "train"]
    parts = {
        "fitted": train[:-HELD_OUT],
        "held out of training": train[-HELD_OUT:],
        "test": [video for video in videos if video.meta["split"] == "test"],
    }
    heads = [f"{name}: {len(part)} videos, {sum(map(len, part))} utterances" for name, part in parts.items()]
    rows = [("accuracy in %", *heads)]
    for modality, values in features("cmu-mosi", root).items():
        by_id = dict(zip(values.ids, values.values, strict=True))
        given = {
            name: (
                np.array([by_id[utterance.id] for video in part for utterance in video]),
                np.array([utterance.label for video in part for utterance in video]),
            )
            for name, part in parts.items()
        }
        model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000)).fit(*given["fitted"])
        rows.append((modality, *(f"{100 * model.score(*pair):.1f}" for pair in given.values())))
    return (*rows, ("most frequent class", *(f"{100 * _most_frequent(part):.1f}" for part in parts.values())))


def _most_frequent(part: Sequence[Conversation]) -> float:
    labels = [utterance.label for video in part for utterance in video]
    return max(map(labels.count, set(labels))) / len(labels)


if __name__ == "__main__":
    main()
