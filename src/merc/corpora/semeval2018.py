"""SemEval-2018 task 1, Affect in Tweets: intensity of four emotions (EI-reg) and eleven classes (E-c), English."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, required
from merc.corpora.rows import lines_of
from merc.errors import FormatError, InputError

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
        "EI-reg: a tweet has the label of its emotion if the intensity is at least the threshold (default .5); E-c: a "
        "tweet is used if exactly one of anger, disgust, fear, joy, sadness and surprise is set, whatever else is set; "
        "tweets without a class do not count as neutral"
    ),
    defects=(
        "the gold files of EI-reg have 16,937 sentences each whose ids contain 'mystery' (a test for bias): skipped",
        "a tweet may be in several files; hashtags often name the emotion; line breaks are written as \\n",
    ),
    counts=MappingProxyType({"train": 13940, "dev": 2350, "test": 7327}),
)

PARTS: Mapping[str, tuple[int, int, int]] = MappingProxyType(
    {
        "E-c": (6838, 886, 3259),
        "EI-reg/anger": (1701, 388, 1002),
        "EI-reg/fear": (2252, 389, 986),
        "EI-reg/joy": (1616, 290, 1105),
        "EI-reg/sadness": (1533, 397, 975),
    }
)
"""Published number of rows by part: train, dev and test (gold files without the sentences of the bias test)."""

_FILES = {"train": "train", "dev": "dev", "test": "test-gold"}
_EMOTIONS = ("anger", "fear", "joy", "sadness")


def read(root: Path, *, threshold: float = 0.5) -> list[Item]:
    """Read the folders ``EI-reg`` and ``E-c``: 12,634 and 10,983 rows in the full corpus.

    Args:
        root: The folder.
        threshold: Intensity from 0 to 1 below which an EI-reg row has no label.

    Raises:
        InputError: If a file is missing, or the threshold is not in [0, 1].
        FormatError: If a row is malformed.
    """
    if not 0 <= threshold <= 1:
        raise InputError(f"threshold {threshold}: expected an intensity from 0 to 1")
    scaled = [f"EI-reg/EI-reg-En-{emotion}-{end}.txt" for emotion in _EMOTIONS for end in _FILES.values()]
    classed = [f"E-c/E-c-En-{end}.txt" for end in _FILES.values()]
    required(root, *scaled, *classed, corpus=CORPUS)
    items: list[Item] = []
    for split, end in _FILES.items():
        for emotion in _EMOTIONS:
            path = root / f"EI-reg/EI-reg-En-{emotion}-{end}.txt"
            rows = _rows(path, columns=4)[1:]
            items += [_scaled(row, where, split, threshold) for where, row in rows if "mystery" not in row[0]]
        items += _classed(root / f"E-c/E-c-En-{end}.txt", split)
    return items


def checks(root: Path) -> list[tuple[str, int, int]]:
    """Further published counts: rows by part and split.

    Returns:
        Tuples of description, published count and count in this copy.
    """
    found = Counter((item.id.rpartition("/")[0], item.split) for item in read(root))
    return [
        (f"{split} {part}", expected, found[part, split])
        for part, numbers in PARTS.items()
        for split, expected in zip(CORPUS.splits, numbers, strict=True)
    ]


def _scaled(row: list[str], where: str, split: str, threshold: float) -> Item:
    name, text, emotion, intensity = row
    if emotion not in _EMOTIONS or not re.fullmatch(r"[01](\.[0-9]{1,9})?", intensity):
        raise FormatError(
            f"{where}, EI-reg {emotion[:60]}, tweet {name[:60]}: intensity '{intensity[:60]}'; "
            f"expected a number, as in a gold file, of {', '.join(_EMOTIONS)}"
        )
    return Item(f"EI-reg/{emotion}/{name}", (emotion,) if float(intensity) >= threshold else (), split, text=text)


def _classed(path: Path, split: str) -> list[Item]:
    header, *rows = _rows(path, columns=13) or [("", [])]
    if sorted(header[1][2:]) != sorted(CORPUS.labels):
        raise FormatError(f"{path}: columns {', '.join(header[1][2:])[:60]}; expected {', '.join(CORPUS.labels)}")
    items = []
    for where, row in rows:
        if set(row[2:]) - {"0", "1"}:
            raise FormatError(f"{where}, E-c, tweet {row[0][:60]}: expected 0 or 1 for each class, as in a gold file")
        labels = tuple(name for name, flag in zip(header[1][2:], row[2:], strict=True) if flag == "1")
        items.append(Item(f"E-c/{row[0]}", labels, split, text=row[1]))
    return items


def _rows(path: Path, *, columns: int) -> list[tuple[str, list[str]]]:
    rows = []
    for where, line in lines_of(path):
        rows.append((where, line.split("\t")))
        if len(rows[-1][1]) != columns:
            raise FormatError(f"{where}: {len(rows[-1][1])} columns; expected {columns}, tab-separated")
    return rows
