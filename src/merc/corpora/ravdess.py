"""RAVDESS: 24 actors, two sentences, eight emotions; the speech part, audio only."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, sounds
from merc.errors import InputError

_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")  # codes 01 to 08

CORPUS = Corpus(
    name="ravdess",
    title="RAVDESS, speech, audio only (Livingstone and Russo, 2018)",
    modality="voice",
    source="https://zenodo.org/records/1188976",
    licence="CC BY-NC-SA 4.0",
    noncommercial=True,
    folder="audio/ravdess",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "neutral": "neutral",
            "calm": "neutral",
            "happy": "joy",
            "sad": "sadness",
            "angry": "anger",
            "fearful": "fear",
            "disgust": "disgust",
            "surprised": "surprise",
        }
    ),
    why=(
        "calm counts as neutral: both were recorded as baselines without emotion, and neutral alone, which has no "
        "strong intensity, is half as frequent as any other class"
    ),
    defects=(
        "acted; only two sentences, so the text is independent of the emotion",
        "no official split: split by actor",
    ),
    counts=MappingProxyType(
        {
            **{"all": 1440, "speakers": 24},
            **{f"all {name}": n for name, n in zip(_EMOTIONS, (96, 192, 192, 192, 192, 192, 192, 192), strict=True)},
        }
    ),
)


def read(root: Path) -> list[Item]:
    """Read files named ``03-01-emotion-intensity-statement-repetition-actor`` at any depth: 1,440 in the full corpus.

    Files of the song part (second field 02) are skipped. Speakers are ``ravdess-01`` to ``ravdess-24``; women have even
    numbers.

    Raises:
        InputError: If there is no audio file, or a file has another name.
    """
    items = []
    for path in sounds(root, corpus=CORPUS):
        fields = path.stem.split("-")
        if len(fields) != 7 or not all(re.fullmatch("[0-9]{2}", f) for f in fields) or not 1 <= int(fields[2]) <= 8:
            raise InputError(
                f"{path.name} in {root}: expected a name such as 03-01-06-01-02-01-12 (emotion 01 to 08 third)"
            )
        if fields[1] == "01":
            label = _EMOTIONS[int(fields[2]) - 1]
            items.append(Item(path.stem, (label,), source=Source(path), speaker=f"ravdess-{fields[6]}"))
    return items
