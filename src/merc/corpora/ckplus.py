"""CK+ in its variant CK+48: the last three frames of posed sequences, 48 × 48 pixels, grey."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, required
from merc.errors import InputError

CORPUS = Corpus(
    name="ckplus",
    title="Extended Cohn-Kanade, variant CK+48 (Lucey et al., CVPR workshops 2010)",
    modality="face",
    source="http://www.jeffcohn.net/Resources/",
    licence="research agreement",
    noncommercial=True,
    folder="faces/ckplus48",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "anger": "anger",
            "contempt": None,
            "disgust": "disgust",
            "fear": "fear",
            "happy": "joy",
            "sadness": "sadness",
            "surprise": "surprise",
        }
    ),
    why="contempt is not among the seven classes and is dropped; CK+48 has no neutral frames",
    defects=(
        "posed in a laboratory; the three frames of a sequence are nearly identical (they share the group of an item)",
        "no official split: split by subject",
    ),
    counts=MappingProxyType(
        {
            **{"all": 981, "speakers": 118},
            **{
                f"all {name}": n
                for name, n in zip(
                    ("anger", "contempt", "disgust", "fear", "happy", "sadness", "surprise"),
                    (135, 54, 177, 75, 207, 84, 249),
                    strict=True,
                )
            },
        }
    ),
)

_NAME = re.compile(r"(S\d{3})_(\d{3})_\d{8}\.png")


def read(root: Path) -> list[Item]:
    """Read ``<class>/S010_004_00000017.png`` (subject, sequence, frame): 981 faces of 118 subjects in the full corpus.

    Raises:
        InputError: If the folder of a class is missing, or a file has another name.
    """
    items = []
    for label, folder in zip(CORPUS.labels, required(root, *CORPUS.labels, corpus=CORPUS), strict=True):
        for path in sorted(folder.iterdir()):
            match = _NAME.fullmatch(path.name)
            if match is None:
                raise InputError(f"{path}: expected a name such as S010_004_00000017.png (subject, sequence, frame)")
            subject, sequence = match.groups()
            items.append(Item(path.stem, (label,), source=Source(path), speaker=subject, group=f"{subject}_{sequence}"))
    return items
