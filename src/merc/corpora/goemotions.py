"""GoEmotions: Reddit comments with 27 emotions and neutral, multi-label."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.corpora.rows import lines_of, text_of
from merc.errors import FormatError

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

_LABELS = tuple((label, group) for group, labels in sorted(_GROUPS.items()) for label in labels)
_TRAIN = (
    *(1567, 2470, 2022, 793, 596, 164, 4130, 2328, 2939, 1087, 641, 853, 2662, 1452),
    *(2086, 1581, 111, 153, 14219, 1269, 303, 77, 545, 1326, 1368, 2191, 1110, 1060),
)
_DEV = (
    *(195, 303, 292, 97, 90, 21, 488, 303, 397, 153, 77, 96, 358, 172),
    *(252, 209, 15, 18, 1766, 163, 35, 13, 68, 143, 152, 248, 127, 129),
)
_TEST = (
    *(198, 320, 267, 123, 78, 23, 504, 264, 351, 135, 83, 103, 352, 161),
    *(238, 186, 16, 11, 1787, 151, 37, 6, 56, 156, 153, 284, 145, 141),
)

CORPUS = Corpus(
    name="goemotions",
    title="GoEmotions (Demszky et al., ACL 2020)",
    modality="text",
    source="https://github.com/google-research/google-research/tree/master/goemotions",
    licence="Apache-2.0",
    noncommercial=False,
    folder="text/goemotions/original",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(dict(_LABELS)),
    why=(
        "the authors' grouping of the 27 emotions into Ekman's six, and neutral; a comment with several labels is "
        "used if all of them are in one group, and dropped otherwise"
    ),
    defects=("names and religions are masked as [NAME] and [RELIGION]", "16 % of the comments have several labels"),
    counts=MappingProxyType(
        {
            **{"train": 43410, "dev": 5426, "test": 5427},
            **{f"train {label}": n for (label, _), n in zip(_LABELS, _TRAIN, strict=True)},
            **{f"dev {label}": n for (label, _), n in zip(_LABELS, _DEV, strict=True)},
            **{f"test {label}": n for (label, _), n in zip(_LABELS, _TEST, strict=True)},
        }
    ),
)


def read(root: Path) -> list[Item]:
    """Read ``{train,dev,test}.tsv`` and ``labels.txt``: 43,410, 5,426 and 5,427 comments in the full corpus.

    Raises:
        InputError: If a file is missing.
        FormatError: If a label is unknown, or a row does not have text, label numbers and id.
    """
    *_, names = required(root, *(f"{split}.tsv" for split in CORPUS.splits), "labels.txt", corpus=CORPUS)
    labels = [known(label, str(names), CORPUS) for label in text_of(names).split()]
    items = []
    for split in CORPUS.splits:
        for where, line in lines_of(root / f"{split}.tsv"):
            items.append(_item(line, where, split, labels))
    return items


def _item(line: str, where: str, split: str, labels: list[str]) -> Item:
    fields = line.split("\t")
    numbers = fields[1].split(",") if len(fields) == 3 else []
    if not numbers or not all(re.fullmatch("[0-9]{1,3}", n) and int(n) < len(labels) for n in numbers):
        raise FormatError(
            f"{where}: '{line[:60]}'; expected text, label numbers below {len(labels)} and id, tab-separated"
        )
    return Item(fields[2], tuple(labels[int(number)] for number in numbers), split, text=fields[0])
