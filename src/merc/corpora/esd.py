"""ESD: ten Mandarin and ten English speakers say 350 parallel utterances each, with five emotions.

The layout is that of the release: ``0011/Angry/train/0011_000351.wav`` (speaker, emotion, part, number), or without the
folders of the parts: of the 350 utterances of an emotion 20 are for evaluation, 30 for the test, and the rest for
training, by their number. What else is in a folder, such as the transcripts ``0011/0011.txt``, is not read.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, known, sounds
from merc.errors import InputError

_PARTS = {"train": "train", "evaluation": "dev", "test": "test"}

CORPUS = Corpus(
    name="esd",
    title="Emotional Speech Dataset (Zhou et al., 2022)",
    modality="voice",
    source="https://github.com/HLTSingapore/Emotional-Speech-Data",
    licence="research only, on a signed licence",
    noncommercial=True,
    folder="audio/esd",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(
        {"Angry": "anger", "Happy": "joy", "Neutral": "neutral", "Sad": "sadness", "Surprise": "surprise"}
    ),
    why="the same emotions by adjectives; there is neither disgust nor fear",
    defects=(
        "made for voice conversion: the official parts share speakers, and the same sentences have every emotion",
        "0001 to 0010 speak Mandarin, 0011 to 0020 English",
    ),
    counts=MappingProxyType({"train": 30_000, "dev": 2_000, "test": 3_000, "speakers": 20}),
)

_NAME = re.compile(r"(\d{4})_(\d{6})")


def read(root: Path) -> list[Item]:
    """Read the files of all speakers: 35,000 in the full corpus.

    Raises:
        InputError: If there is no audio file, or a file has another name.
        FormatError: If a file is in the folder of another emotion.
    """
    items = []
    for path in sounds(root, corpus=CORPUS):
        match, folder = _NAME.fullmatch(path.stem), path.parent
        part = _PARTS.get(folder.name)
        emotion = folder.parent.name if part else folder.name
        if match is None:
            raise InputError(f"{path.name} in {root}: expected 0011_000351 (speaker, number)")
        speaker = match[1]
        meta = {"language": "zh" if int(speaker) <= 10 else "en"}
        label = known(emotion, str(path), CORPUS)
        items.append(
            Item(
                path.stem,
                (label,),
                part or _part(int(match[2])),
                source=Source(path),
                speaker=f"esd-{speaker}",
                meta=meta,
            )
        )
    return items


def _part(number: int) -> str:
    """The part of an utterance by its number; those of the emotions follow each other."""
    place = (number - 1) % 350
    return "dev" if place < 20 else "test" if place < 50 else "train"
