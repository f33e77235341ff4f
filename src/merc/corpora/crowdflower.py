"""CrowdFlower "Emotion in Text": tweets labelled by crowd workers with one of 13 classes."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.corpora.rows import table

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
        "anger; worry mixes fear and sadness, and empty and boredom have no counterpart: dropped"
    ),
    defects=(
        "one annotator per tweet, so labels are noisy: the class is often not apparent from the text",
        "no official split",
    ),
    counts=MappingProxyType(
        {
            **{"all": 40000},
            **{
                f"all {name}": n
                for name, n in zip(
                    (
                        "anger",
                        "boredom",
                        "empty",
                        "enthusiasm",
                        "fun",
                        "happiness",
                        "hate",
                        "love",
                        "neutral",
                        "relief",
                        "sadness",
                        "surprise",
                        "worry",
                    ),
                    (110, 179, 827, 759, 1776, 5209, 1323, 3842, 8638, 1526, 5165, 2187, 8459),
                    strict=True,
                )
            },
        }
    ),
)


def read(root: Path) -> list[Item]:
    """Read ``text_emotion.csv`` (tweet_id, sentiment, author, content): 40,000 tweets in the full corpus.

    Raises:
        InputError: If the file is missing.
        FormatError: If a column is missing or a label unknown.
    """
    (path,) = required(root, "text_emotion.csv", corpus=CORPUS)
    return [
        Item(
            id=row["tweet_id"],
            labels=(known(row["sentiment"], row.where, CORPUS),),
            text=row["content"],
            speaker=row["author"],
        )
        for row in table(path, ("tweet_id", "sentiment", "author", "content"))
    ]
