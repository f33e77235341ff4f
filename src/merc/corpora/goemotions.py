"""GoEmotions: Reddit comments with 27 emotions and neutral, several labels allowed."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, required
from merc.errors import InputError

_GROUPS = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        *("admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude", "joy", "love"),
        *("optimism", "pride", "relief"),
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
    "neutral": ("neutral",),
}

CORPUS = Corpus(
    name="goemotions",
    title="GoEmotions (Demszky et al., ACL 2020)",
    modality="text",
    source="https://github.com/google-research/google-research/tree/master/goemotions",
    licence="Apache-2.0",
    noncommercial=False,
    folder="text/goemotions/original",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType({label: group for group, labels in sorted(_GROUPS.items()) for label in labels}),
    why=(
        "the authors' own grouping of the 27 emotions into Ekman's six, neutral apart; a comment with several labels "
        "counts when all of them fall into one group and is dropped otherwise"
    ),
    defects=("names and religions are masked as [NAME] and [RELIGION]", "16 % of the comments have several labels"),
)


def read(root: Path) -> list[Item]:
    """Read ``{train,dev,test}.tsv`` and ``labels.txt``: 43,410, 5,426 and 5,427 comments in the full corpus.

    Raises InputError for missing files and for rows that are not text, label numbers and id.
    """
    *_, names = required(root, *(f"{split}.tsv" for split in CORPUS.splits), "labels.txt", corpus=CORPUS)
    labels = names.read_text(encoding="utf-8").split()
    items = []
    for split in CORPUS.splits:
        path = root / f"{split}.tsv"
        lines = path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate((line for line in lines if line.strip()), 1):
            items.append(_item(line.rstrip("\r"), f"{path}, line {number}", split, labels))
    return items


def _item(line: str, where: str, split: str, labels: list[str]) -> Item:
    fields = line.split("\t")
    numbers = fields[1].split(",") if len(fields) == 3 else []
    if not numbers or not all(number.isdigit() and int(number) < len(labels) for number in numbers):
        raise InputError(
            f"{where}: '{line[:60]}'; expected text, label numbers below {len(labels)} and id, tab-separated"
        )
    return Item(fields[2], tuple(labels[int(number)] for number in numbers), split, text=fields[0])
