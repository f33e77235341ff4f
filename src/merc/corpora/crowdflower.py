"""CrowdFlower "Emotion in Text": tweets labelled by crowd workers with one of 13 classes."""

from __future__ import annotations

import csv
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.errors import InputError

CORPUS = Corpus(
    name="crowdflower",
    title="CrowdFlower Sentiment Analysis: Emotion in Text (2016)",
    modality="text",
    source="https://data.world/crowdflower/sentiment-analysis-in-text",
    licence="research",
    noncommercial=True,
    folder="text/crowdflower",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "anger": "anger",
            "boredom": None,
            "empty": None,
            "enthusiasm": "joy",
            "fun": "joy",
            "happiness": "joy",
            "hate": "anger",
            "love": "joy",
            "neutral": "neutral",
            "relief": "joy",
            "sadness": "sadness",
            "surprise": "surprise",
            "worry": None,
        }
    ),
    why=(
        "happiness, fun, enthusiasm, love and relief count as joy, as in the grouping of GoEmotions; hate counts as "
        "anger; worry mixes fear and sadness, empty and boredom are no emotion of ours: dropped"
    ),
    defects=(
        "one worker a tweet, so labels are noisy: a class is often not to be seen in the words",
        "no official split",
    ),
)


def read(root: Path) -> list[Item]:
    """Read ``text_emotion.csv`` (tweet_id, sentiment, author, content): 40,000 tweets in the full corpus.

    Raises InputError when the file or a column is missing and for an unknown label.
    """
    (path,) = required(root, "text_emotion.csv", corpus=CORPUS)
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        expected = ("tweet_id", "sentiment", "author", "content")
        if missing := [name for name in expected if name not in (rows.fieldnames or ())]:
            raise InputError(f"{path}: no column {', '.join(missing)}; expected {', '.join(expected)}")
        return [
            Item(
                id=row["tweet_id"],
                labels=(known(row["sentiment"], f"{path}, row {number}", CORPUS),),
                text=row["content"],
                speaker=row["author"],
            )
            for number, row in enumerate(rows, 2)
        ]
