"""TESS: two women, 200 words in a carrier sentence, seven emotions."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, sounds
from merc.errors import InputError

CORPUS = Corpus(
    name="tess",
    title="Toronto emotional speech set (Pichora-Fuller and Dupuis, 2020)",
    modality="voice",
    source="https://doi.org/10.5683/SP2/E8H2MF",
    licence="CC BY-NC-ND 4.0",
    noncommercial=True,
    folder="audio/tess",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "angry": "anger",
            "disgust": "disgust",
            "fear": "fear",
            "happy": "joy",
            "neutral": "neutral",
            "ps": "surprise",
            "sad": "sadness",
        }
    ),
    why="its seven classes are the same; ps is pleasant surprise, so its surprise is never unpleasant",
    defects=(
        "one file of the older speaker is named OA_bite_neutral instead of OAF_bite_neutral",
        "acted by two speakers: a head trained on one of them can be tested on the other only",
    ),
    counts=MappingProxyType(
        {
            **{"all": 2800, "speakers": 2},
            **{
                f"all {name}": n
                for name, n in zip(
                    ("angry", "disgust", "fear", "happy", "neutral", "ps", "sad"),
                    (400, 400, 400, 400, 400, 400, 400),
                    strict=True,
                )
            },
        }
    ),
)

_SPEAKERS = {"OAF": "tess-OAF", "OA": "tess-OAF", "YAF": "tess-YAF"}


def read(root: Path) -> list[Item]:
    """Read files named ``speaker_word_emotion`` at any depth: 2,800 in the full corpus.

    Raises:
        InputError: If there is no audio file, or a file has another name.
    """
    items = []
    for path in sounds(root, corpus=CORPUS):
        fields = path.stem.split("_")
        label = fields[-1].lower()
        if len(fields) != 3 or fields[0] not in _SPEAKERS or label not in CORPUS.to_ekman7:
            raise InputError(
                f"{path.name} in {root}: expected a name such as OAF_dog_happy; emotions {', '.join(CORPUS.labels)}"
            )
        items.append(Item(path.stem, (label,), source=Source(path), speaker=_SPEAKERS[fields[0]]))
    return items
