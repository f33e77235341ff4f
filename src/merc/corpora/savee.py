"""SAVEE: four men read phonetically balanced sentences with seven emotions."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, sounds
from merc.errors import InputError

_CODES = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "happiness",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}

CORPUS = Corpus(
    name="savee",
    title="Surrey Audio-Visual Expressed Emotion (Haq and Jackson, 2009)",
    modality="voice",
    source="http://kahlan.eps.surrey.ac.uk/savee/",
    licence="research only, on registration",
    noncommercial=True,
    folder="audio/savee",
    splits=("all",),
    to_ekman7=MappingProxyType({name: "joy" if name == "happiness" else name for name in _CODES.values()}),
    why="its seven classes are the same",
    defects=("acted by four men of one university", "no official split: split by speaker"),
    counts=MappingProxyType(
        {
            **{"all": 480, "speakers": 4},
            **{f"all {name}": n for name, n in zip(_CODES.values(), (60, 60, 60, 60, 120, 60, 60), strict=True)},
        }
    ),
)

_NAME = re.compile(r"(DC|JE|JK|KL)[/_](a|d|f|h|n|sa|su)(\d\d)")


def read(root: Path) -> list[Item]:
    """Read files named ``DC/a01`` or ``DC_a01`` (speaker, emotion, sentence): 480 in the full corpus.

    Raises:
        InputError: If there is no audio file, or a file has another name.
    """
    items = []
    for path in sounds(root, corpus=CORPUS):
        match = _NAME.fullmatch(path.stem) or _NAME.fullmatch(f"{path.parent.name}/{path.stem}")
        if match is None:
            raise InputError(
                f"{path.name} in {root}: expected DC/a01 or DC_a01 (speakers DC, JE, JK, KL; {', '.join(_CODES)})"
            )
        speaker, code, number = match.groups()
        items.append(
            Item(f"{speaker}_{code}{number}", (_CODES[code],), source=Source(path), speaker=f"savee-{speaker}")
        )
    return items
