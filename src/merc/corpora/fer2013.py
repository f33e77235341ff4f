"""FER2013: faces from a web search with seven expressions, 48 × 48 pixels, grey, in a table."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, Source, required
from merc.corpora.rows import Row, parsed, text_of
from merc.errors import FormatError

_EMOTIONS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")  # codes 0 to 6
_SPLITS = {"Training": "train", "PublicTest": "dev", "PrivateTest": "test"}
_SIDE = 48

CORPUS = Corpus(
    name="fer2013",
    title="FER2013, Challenges in Representation Learning (Goodfellow et al., ICML workshop 2013)",
    modality="face",
    source="https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge",
    licence="images from the web; research",
    noncommercial=True,
    folder="faces/fer2013",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(
        {
            "angry": "anger",
            "disgust": "disgust",
            "fear": "fear",
            "happy": "joy",
            "sad": "sadness",
            "surprise": "surprise",
            "neutral": "neutral",
        }
    ),
    why="its seven classes are the same",
    defects=(
        "labels are the search terms and are noisy (human accuracy is about 65 %)",
        "a few images have no face, are blank or duplicated, even across splits; no identities are given",
        "dev is PublicTest and test is PrivateTest of the challenge",
    ),
    counts=MappingProxyType(
        {
            **{"train": 28709, "dev": 3589, "test": 3589},
            **{f"train {k}": n for k, n in zip(_EMOTIONS, (3995, 436, 4097, 7215, 4830, 3171, 4965), strict=True)},
            **{f"dev {k}": n for k, n in zip(_EMOTIONS, (467, 56, 496, 895, 653, 415, 607), strict=True)},
            **{f"test {k}": n for k, n in zip(_EMOTIONS, (491, 55, 528, 879, 594, 416, 626), strict=True)},
        }
    ),
)


def read(root: Path) -> list[Item]:
    """Read ``fer2013.csv`` or ``icml_face_data.csv`` (emotion, pixels, Usage): 28,709, 3,589 and 3,589 faces.

    Each image is a PGM file in ``Item.source.data``; the number in an id such as ``train-2`` is the row of the table.

    Raises:
        InputError: If neither file exists.
        FormatError: If a row is malformed.
    """
    name = next((n for n in ("fer2013.csv", "icml_face_data.csv") if (root / n).exists()), "fer2013.csv")
    (path,) = required(root, name, corpus=CORPUS)
    header, separator, body = text_of(path).partition("\n")
    columns = ",".join(column.strip() for column in header.split(","))  # one copy writes " Usage" and " pixels"
    rows = parsed(columns + separator + body, str(path), ("emotion", "pixels", "Usage"))
    return [_item(row, path) for row in rows]


def _item(row: Row, path: Path) -> Item:
    code, usage = row["emotion"].strip(), row["Usage"].strip()
    if not re.fullmatch("[0-6]", code) or usage not in _SPLITS:
        raise FormatError(
            f"{row.where}: emotion '{code[:60]}', Usage '{usage[:60]}'; expected 0 ({_EMOTIONS[0]}) to 6 "
            f"({_EMOTIONS[-1]}) and one of {', '.join(_SPLITS)}"
        )
    picture = f"P5 {_SIDE} {_SIDE} 255\n".encode() + _pixels(row)
    split = _SPLITS[usage]
    number = row.where.rpartition(" ")[2]
    return Item(f"{split}-{number}", (_EMOTIONS[int(code)],), split, source=Source(path, data=picture))


def _pixels(row: Row) -> bytes:
    values = row["pixels"].split()
    try:
        pixels = bytes(map(int, values))
    except ValueError as error:
        raise FormatError(f"{row.where}: {error}; expected pixels from 0 to 255") from error
    if len(pixels) != _SIDE**2:
        raise FormatError(f"{row.where}: {len(pixels)} pixels; expected {_SIDE**2}")
    return pixels
