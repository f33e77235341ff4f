"""EMOVO: six Italian actors say fourteen sentences with seven emotions.

The layout is that of the archive as other readers of it describe it: a folder for each actor (``f1`` to ``m3``) with
files named ``dis-f1-b1.wav`` (emotion, actor, sentence).
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, sounds
from merc.errors import InputError

_CODES = {
    "dis": "disgust",
    "gio": "joy",
    "neu": "neutral",
    "pau": "fear",
    "rab": "anger",
    "sor": "surprise",
    "tri": "sadness",
}

CORPUS = Corpus(
    name="emovo",
    title="EMOVO Corpus: an Italian Emotional Speech Database (Costantini et al., LREC 2014)",
    modality="voice",
    source="http://voice.fub.it/activities/corpora/emovo/index.html",
    licence="not stated with the archive; ask its authors",
    noncommercial=True,
    folder="audio/emovo",
    splits=("all",),
    to_ekman7=MappingProxyType({name: name for name in _CODES.values()}),
    why="its seven classes are the same",
    defects=("acted, in Italian", "no official split: split by speaker"),
    counts=MappingProxyType({"all": 588, "speakers": 6, **{f"all {name}": 84 for name in _CODES.values()}}),
)

_NAME = re.compile(rf"({'|'.join(_CODES)})-([fm][1-3])-(\w+)")


def read(root: Path) -> list[Item]:
    """Read files named ``dis-f1-b1``: 588 in the full corpus.

    Raises:
        InputError: If there is no audio file, or a file has another name.
    """
    items = []
    for path in sounds(root, corpus=CORPUS):
        match = _NAME.fullmatch(path.stem)
        if match is None:
            raise InputError(
                f"{path.name} in {root}: expected dis-f1-b1 (emotion {', '.join(_CODES)}; f1 to m3; sentence)"
            )
        code, speaker, sentence = match.groups()
        meta = {"sentence": sentence, "sex": "female" if speaker[0] == "f" else "male"}
        items.append(Item(path.stem, (_CODES[code],), source=Source(path), speaker=f"emovo-{speaker}", meta=meta))
    return items
