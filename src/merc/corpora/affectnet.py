"""AffectNet: faces from the web, about 420,000 of them labelled by hand with eleven classes, valence and arousal.

Three layouts are read, as other readers of them describe them. The release of the eight expressions has
``train_set/images/0.jpg`` with ``train_set/annotations/0_exp.npy``, ``0_val.npy`` and ``0_aro.npy``, and the same in
``val_set``. The first release has ``Manually_Annotated_file_lists/training.csv`` and ``validation.csv``, with pictures
in ``Manually_Annotated_Images``. Copies with a folder for each class have ``train/happy/0.jpg`` and the same in ``val``
or ``test``. Where their folders are numbers, whose order differs between copies, ``classes.txt`` beside ``train`` says
what they are: the class of number 0 in the first line, and so on.
"""

from __future__ import annotations

import math
import tokenize
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np

from merc.corpora.corpus import Corpus, Item, Source, required
from merc.corpora.rows import Row, table
from merc.errors import FormatError, InputError

_EMOTIONS = (
    *("neutral", "happy", "sad", "surprise", "fear", "disgust", "anger", "contempt"),
    *("none", "uncertain", "no face"),
)  # codes 0 to 10
_SETS = {"train_set": "train", "val_set": "test"}
_LISTS = {"training": "train", "validation": "test"}
_TABLES, _PICTURES = "Manually_Annotated_file_lists", "Manually_Annotated_Images"
LIST_COUNTS: Mapping[str, int] = MappingProxyType({"train": 414_799, "test": 5_500})
"""Published counts of the lists."""
_BROKEN_ARRAY = (OSError, ValueError, EOFError, MemoryError, SyntaxError, tokenize.TokenError)
"""Exceptions of numpy for a damaged file: it reads the header as Python."""
_HELD_OUT = ("val", "valid", "validation")
_OTHER_NAMES = {
    **{"happiness": "happy", "joy": "happy", "sadness": "sad", "surprised": "surprise", "fearful": "fear"},
    **{"disgusted": "disgust", "angry": "anger"},
}
_SUFFIXES = (".jpg", ".jpeg", ".png")
_BOX = ("face_x", "face_y", "face_width", "face_height")

CORPUS = Corpus(
    name="affectnet",
    title="AffectNet (Mollahosseini, Hasani and Mahoor, IEEE Transactions on Affective Computing 2017)",
    modality="face",
    source="http://mohammadmahoor.com/affectnet/",
    licence="research only, on a signed licence, no redistribution",
    noncommercial=True,
    folder="faces/affectnet",
    splits=("train", "test"),
    to_ekman7=MappingProxyType(
        {
            **{name: name for name in ("neutral", "surprise", "fear", "disgust", "anger")},
            **{"happy": "joy", "sad": "sadness"},
            **dict.fromkeys(("contempt", "none", "uncertain", "no face")),
        }
    ),
    why="seven of its classes are the same; contempt has none among them, and the last three are no emotion",
    defects=(
        "test is the official validation part, as in the literature: the real test part is not released",
        "most pictures have one annotator; no identities are given: a person may be in both parts",
        "copies with a folder for each class have neither valence nor arousal, and parts of their makers",
        "train is unbalanced, test has as many faces of each class",
    ),
    counts=MappingProxyType({"train": 287_651, "test": 4_000}),
    variants=("first release: all eleven classes of the lists, 414,799 and 5,500 pictures",),
    ratings=MappingProxyType(dict.fromkeys(("valence", "arousal"), (-1.0, 1.0))),
)


def read(root: Path) -> list[Item]:
    """Read the sets of the release of eight expressions, or else the lists of the first one, or folders of classes.

    ``meta`` has ``valence`` and ``arousal`` (-1 to 1; -2 where a picture has none; absent from folders of classes), and
    from the lists ``box``: left, top, width and height of the face in pixels.

    Raises:
        InputError: If a folder, a list, an annotation, or a picture that a list names is missing.
        FormatError: If an expression is not in 0 to 10, a rating is no number from -2 to 1, or a folder no class.
    """
    if (root / _TABLES).is_dir():
        return [item for name, split in _LISTS.items() for item in _listed(root, name, split)]
    if (root / "train").is_dir():
        return [item for folder, split in _folders(root).items() for item in _sorted(root, folder, split)]
    return [item for name, split in _SETS.items() for item in _stored(root, name, split)]


def published(root: Path) -> Mapping[str, int]:
    """Published counts of the release in ``root``."""
    if (root / _TABLES).is_dir():
        return LIST_COUNTS
    return MappingProxyType({}) if (root / "train").is_dir() else CORPUS.counts  # copies are parts of any size


def _folders(root: Path) -> dict[Path, str]:
    """The part of each folder of a copy: where it has both, what it calls validation is dev."""
    held = [root / name for name in _HELD_OUT if (root / name).is_dir()]
    tests = [root / "test"] if (root / "test").is_dir() else []
    if len(held) > 1 or not (held or tests):
        raise InputError(f"{root}: expected train, and one of {', '.join((*_HELD_OUT, 'test'))} beside it")
    return {root / "train": "train", **dict.fromkeys(held, "dev" if tests else "test"), **dict.fromkeys(tests, "test")}


def _sorted(root: Path, folder: Path, split: str) -> Iterator[Item]:
    """The pictures of one part, which are sorted into a folder for each class."""
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        label = _class(root, place)
        for path in sorted(one for one in place.iterdir() if one.suffix.lower() in _SUFFIXES):
            yield Item(f"{split}-{place.name}/{path.name}", (label,), split, source=Source(path))


def _class(root: Path, folder: Path) -> str:
    name = folder.name.lower()
    if name.isdigit():
        listed = root / "classes.txt"
        if not listed.is_file():
            raise InputError(
                f"{folder}: copies of {CORPUS.title} number their classes in different orders; write {listed} with the "
                "name of class 0 in the first line, and so on"
            )
        names = listed.read_text(encoding="utf-8").splitlines()
        name = names[int(name)].strip().lower() if int(name) < len(names) else name
    found = _OTHER_NAMES.get(name, name)
    if found not in _EMOTIONS:
        raise FormatError(f"{folder}: class '{name[:60]}'; expected one of {', '.join(_EMOTIONS)}")
    return found


def _stored(root: Path, name: str, split: str) -> Iterator[Item]:
    pictures, annotations = required(root, f"{name}/images", f"{name}/annotations", corpus=CORPUS)
    for path in sorted(pictures.glob("*.jpg")):
        values = {kind: _array(annotations / f"{path.stem}_{kind}.npy") for kind in ("exp", "val", "aro")}
        yield _item(f"{split}-{path.stem}", split, path, values, str(annotations / f"{path.stem}_*.npy"))


def _listed(root: Path, name: str, split: str) -> Iterator[Item]:
    listed, pictures = required(root, f"{_TABLES}/{name}.csv", _PICTURES, corpus=CORPUS)
    for row in table(listed, ("subDirectory_filePath", *_BOX, "expression", "valence", "arousal")):
        path = pictures / row["subDirectory_filePath"]
        if not path.is_file():
            raise InputError(f"{row.where}: {path} does not exist; expected it in {pictures}; see {CORPUS.source}")
        values = {"exp": row["expression"], "val": row["valence"], "aro": row["arousal"]}
        yield _item(f"{split}-{row['subDirectory_filePath']}", split, path, values, row.where, _box(row))


def _box(row: Row) -> dict[str, object]:
    return {"box": tuple(_within(row[side], -math.inf, math.inf, f"{row.where}: {side}") for side in _BOX)}


def _item(
    name: str, split: str, path: Path, values: Mapping[str, str], where: str, more: Mapping[str, object] | None = None
) -> Item:
    code = _within(values["exp"], 0, len(_EMOTIONS) - 1, f"{where}: expression")
    ratings = {
        rating: _within(values[kind], -2, 1, f"{where}: {rating}")
        for rating, kind in (("valence", "val"), ("arousal", "aro"))
    }
    return Item(name, (_EMOTIONS[int(code)],), split, source=Source(path), meta={**ratings, **(more or {})})


def _within(text: str, least: float, most: float, what: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise FormatError(f"{what} '{text[:60]}'; expected a number from {least} to {most}")
    return value


def _array(path: Path) -> str:
    """The one value of an array file, as text: some copies store text, others numbers."""
    try:
        with path.open("rb") as file:
            value = np.lib.format.read_array(file, allow_pickle=False)
    except _BROKEN_ARRAY as error:
        raise InputError(f"cannot read {path}: {error}; expected an array of one value; see {CORPUS.source}") from error
    if value.size != 1:
        raise FormatError(f"{path}: {value.size} values; expected one")
    return str(value.item())
