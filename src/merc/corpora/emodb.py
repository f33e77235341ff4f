"""EmoDB: ten German actors, ten sentences, seven emotions."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, sounds
from merc.errors import InputError

_CODES = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "N": "neutral",
    "T": "sadness",
}  # the first letters of the German words: Wut, Langeweile, Ekel, Angst, Freude, neutral, Trauer

CORPUS = Corpus(
    name="emodb",
    title="Berlin Database of Emotional Speech (Burkhardt et al., 2005)",
    modality="voice",
    source="http://emodb.bilderbar.info/",
    licence="free for research (CC BY 4.0 in the copy of 2022)",
    noncommercial=True,
    folder="audio/emodb",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "anger": "anger",
            "boredom": None,
            "disgust": "disgust",
            "fear": "fear",
            "happiness": "joy",
            "neutral": "neutral",
            "sadness": "sadness",
        }
    ),
    why="boredom is not among the seven classes and is dropped; the corpus has no surprise",
    defects=(
        "acted, in German; only ten sentences, so the text is independent of the emotion",
        "takes that listeners did not recognise were removed, so the classes are unbalanced",
        "no official split: split by speaker",
    ),
    counts=MappingProxyType(
        {
            **{"all": 535, "speakers": 10, "all anger": 127, "all boredom": 81, "all disgust": 46, "all fear": 69},
            **{"all happiness": 71, "all neutral": 79, "all sadness": 62},
        }
    ),
)

_NAME = re.compile(r"(03|08|09|1[0-6])([ab][0-9]{2})([WLEAFNT])([a-z])")


def read(root: Path) -> list[Item]:
    """Read files named ``03a01Fa`` (speaker, sentence, emotion, take) at any depth: 535 in the full corpus.

    Raises:
        InputError: If there is no audio file, or a file has another name.
    """
    items = []
    for path in sounds(root, corpus=CORPUS):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise InputError(f"{path.name} in {root}: expected a name such as 03a01Fa; emotions {', '.join(_CODES)}")
        speaker, sentence, code, take = match.groups()
        meta = {"sentence": sentence, "take": take}
        items.append(Item(path.stem, (_CODES[code],), source=Source(path), speaker=f"emodb-{speaker}", meta=meta))
    return items
