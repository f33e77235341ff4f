"""nEMO: nine Polish actors, ninety sentences, six emotions."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, required, sounds
from merc.corpora.rows import parsed, text_of
from merc.errors import FormatError, InputError

_LABELS = {
    "anger": "anger",
    "fear": "fear",
    "happiness": "joy",
    "neutral": "neutral",
    "sadness": "sadness",
    "surprised": "surprise",
}

CORPUS = Corpus(
    name="nemo",
    title="nEMO, emotional speech in Polish (Christop, 2024)",
    modality="voice",
    source="https://github.com/amu-cai/nEMO",
    licence="CC BY-NC-SA 4.0",
    noncommercial=True,
    folder="audio/nemo",
    splits=("all",),
    to_ekman7=MappingProxyType(_LABELS),
    why="its six classes are among ours; disgust is not in the corpus",
    defects=(
        "acted, in Polish; every sentence was recorded with every emotion, so the text is independent of it",
        "takes that did not pass review are absent: two of the nine speakers have fewer than 540",
        "no official split: split by speaker",
    ),
    counts=MappingProxyType(
        {
            **{"all": 4481, "speakers": 9},
            **{f"all {name}": n for name, n in zip(_LABELS, (749, 736, 749, 809, 769, 669), strict=True)},
        }
    ),
)

_NAME = re.compile(rf"([A-Z]{{2}}[0-9])_({'|'.join(_LABELS)})_([0-9]{{1,2}})")
_COLUMNS = ("file_id", "raw_text", "gender", "age")


def read(root: Path) -> list[Item]:
    """Read ``data.tsv`` and files named ``speaker_emotion_sentence`` at any depth: 4,481 in the full corpus.

    ``meta`` has ``sentence`` (its number), ``transcript``, ``gender`` and ``age``.

    Raises:
        InputError: If the table is missing, there is no audio file, or one has another name.
        FormatError: If a file has no row in the table.
    """
    (path,) = required(root, "data.tsv", corpus=CORPUS)
    rows = parsed(text_of(path), str(path), _COLUMNS, delimiter="\t", quoted=False)
    known = {Path(row["file_id"]).stem: row for row in rows}
    items = []
    for sound in sounds(root, corpus=CORPUS):
        match = _NAME.fullmatch(sound.stem)
        if match is None:
            raise InputError(
                f"{sound.name} in {root}: expected a name such as EB0_anger_1; emotions {', '.join(_LABELS)}"
            )
        if sound.stem not in known:
            raise FormatError(f"{path}: no row for {sound.name}; download the corpus again")
        speaker, label, number = match.groups()
        row = known[sound.stem]
        meta = {"sentence": number, "transcript": row["raw_text"], "gender": row["gender"], "age": row["age"]}
        items.append(Item(sound.stem, (label,), source=Source(sound), speaker=f"nemo-{speaker}", meta=meta))
    return items
