"""SemEval-2018 task 1, Affect in Tweets: intensity of four emotions (EI-reg) and eleven classes (E-c), English."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, required
from merc.errors import InputError

CORPUS = Corpus(
    name="semeval2018",
    title="SemEval-2018 Task 1: Affect in Tweets (Mohammad et al., 2018)",
    modality="text",
    source="https://competitions.codalab.org/competitions/17751",
    licence="research",
    noncommercial=True,
    folder="text/semeval2018",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(
        {
            "anger": "anger",
            "anticipation": None,
            "disgust": "disgust",
            "fear": "fear",
            "joy": "joy",
            "love": None,
            "optimism": None,
            "pessimism": None,
            "sadness": "sadness",
            "surprise": "surprise",
            "trust": None,
        }
    ),
    why=(
        "EI-reg: a tweet counts for its emotion when the intensity is at least the threshold (.5 unless told "
        "otherwise); E-c: a tweet counts when exactly one of anger, disgust, fear, joy, sadness and surprise is set, "
        "whatever else is set; tweets with none set are not taken for neutral"
    ),
    defects=(
        "the gold files of EI-reg hold 16,937 sentences each whose ids contain 'mystery' (a test for bias): left out",
        "the same tweet may stand in several files; hashtags often name the emotion; line breaks are written as \\n",
    ),
)

_FILES = {"train": "train", "dev": "dev", "test": "test-gold"}
_EMOTIONS = ("anger", "fear", "joy", "sadness")


def read(root: Path, *, threshold: float = 0.5) -> list[Item]:
    """Read the folders ``EI-reg`` and ``E-c``: 12,634 and 10,983 rows in the full corpus.

    An EI-reg row below the threshold has no labels. Raises InputError for missing files, and rows that do not follow
    the header.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold {threshold}: expected an intensity from 0 to 1")
    scaled = [f"EI-reg/EI-reg-En-{emotion}-{end}.txt" for emotion in _EMOTIONS for end in _FILES.values()]
    classed = [f"E-c/E-c-En-{end}.txt" for end in _FILES.values()]
    required(root, *scaled, *classed, corpus=CORPUS)
    items = []
    for split, end in _FILES.items():
        for emotion in _EMOTIONS:
            for row in _rows(root / f"EI-reg/EI-reg-En-{emotion}-{end}.txt", columns=4):
                if "mystery" not in row[0]:
                    items.append(_scaled(row, emotion, split, threshold))
        header, *rows = _rows(root / f"E-c/E-c-En-{end}.txt", columns=13, header=True)
        for row in rows:
            labels = tuple(name for name, flag in zip(header[2:], row[2:], strict=True) if flag == "1")
            items.append(Item(f"E-c/{row[0]}", labels, split, text=row[1]))
    return items


def _scaled(row: list[str], emotion: str, split: str, threshold: float) -> Item:
    try:
        intensity = float(row[3])
    except ValueError as error:
        raise InputError(
            f"EI-reg {emotion}, tweet {row[0]}: intensity '{row[3]}'; expected a number, as in a gold file"
        ) from error
    return Item(f"EI-reg/{emotion}/{row[0]}", (emotion,) if intensity >= threshold else (), split, text=row[1])


def _rows(path: Path, *, columns: int, header: bool = False) -> list[list[str]]:
    lines = [line.rstrip("\r") for line in path.read_text(encoding="utf-8").split("\n") if line.strip()]
    rows = [line.split("\t") for line in lines]
    for number, row in enumerate(rows, 1):
        if len(row) != columns:
            raise InputError(f"{path}, line {number}: {len(row)} columns; expected {columns}, tab-separated")
    return rows if header else rows[1:]
