"""RAF-DB, basic emotions: faces from the web with seven expressions, aligned, 100 × 100 pixels."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import ALIGNED, BROKEN_ARCHIVE, Corpus, Item, Source, required
from merc.corpora.rows import lines_of, parsed
from merc.errors import FormatError, InputError

_EMOTIONS = ("surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral")  # codes 1 to 7

CORPUS = Corpus(
    name="rafdb",
    title="Real-world Affective Faces Database, basic (Li, Deng and Du, CVPR 2017)",
    modality="face",
    source="http://www.whdeld.cn/RAF/model1.html",
    licence="non-commercial research, no redistribution",
    noncommercial=True,
    folder="faces/rafdb.zip",
    splits=("train", "test"),
    to_ekman7=MappingProxyType({name: "joy" if name == "happiness" else name for name in _EMOTIONS}),
    why="its seven classes are the same",
    defects=(
        "no identities are given: a person may be in several images and in both splits",
        "unbalanced: 4,772 happy and 281 fearful faces in the training split",
    ),
    counts=MappingProxyType(
        {
            **{"train": 12271, "test": 3068},
            **{f"train {name}": n for name, n in zip(_EMOTIONS, (1290, 281, 717, 4772, 1982, 705, 2524), strict=True)},
            **{f"test {name}": n for name, n in zip(_EMOTIONS, (329, 74, 160, 1185, 478, 162, 680), strict=True)},
        }
    ),
)


def read(root: Path) -> list[Item]:
    """Read the archive ``rafdb.zip`` without unpacking it, or the official folder ``basic``: 12,271 and 3,068 faces.

    The archive contains ``{train,test}_labels.csv`` (image, label) and the images at any depth; the folder contains
    ``EmoLabel/list_patition_label.txt`` (the official spelling) and ``Image/aligned``.

    Raises:
        InputError: If a table or an image that it lists is missing.
        FormatError: If a label is not in 1 to 7.
    """
    return _read_folder(root) if root.is_dir() else _read_archive(root)


def _read_archive(root: Path) -> list[Item]:
    required(root.parent, root.name, corpus=CORPUS)
    try:
        with zipfile.ZipFile(root) as archive:
            members = {Path(name).name: name for name in archive.namelist()}
            if missing := [f"{split}_labels.csv" for split in CORPUS.splits if f"{split}_labels.csv" not in members]:
                raise InputError(f"{root}: missing {', '.join(missing)} in the archive; see {CORPUS.source}")
            tables = {
                split: archive.read(members[f"{split}_labels.csv"]).decode("utf-8-sig") for split in CORPUS.splits
            }
    except BROKEN_ARCHIVE as error:
        raise InputError(f"{root} is not a zip archive ({error}); download it again") from error
    items = []
    for split, table in tables.items():
        for row in parsed(table, f"{root}, {split}_labels.csv", ("image", "label")):
            name = row["image"]
            if name not in members:
                raise InputError(f"{root}: {split}_labels.csv lists '{name[:60]}', which is not in the archive")
            items.append(_item(row.where, (name, row["label"], split), Source(root, members[name])))
    return items


def _read_folder(root: Path) -> list[Item]:
    table, pictures = required(root, "EmoLabel/list_patition_label.txt", "Image/aligned", corpus=CORPUS)
    items = []
    for where, line in lines_of(table):
        match = re.fullmatch(r"((train|test)_[0-9]{1,9})\.jpg ([1-7])", line.strip())
        if match is None:
            raise FormatError(f"{where}: '{line[:60]}'; expected a name and a label from 1 to 7: train_00001.jpg 5")
        path = pictures / f"{match[1]}_aligned.jpg"
        if not path.exists():
            raise InputError(f"{table} lists '{match[1]}.jpg', but {path} does not exist")
        items.append(_item(where, (path.name, match[3], match[2]), Source(path)))
    return items


def _item(where: str, cells: tuple[str, str, str], source: Source) -> Item:
    name, code, split = cells
    if not re.fullmatch("[1-7]", code):
        raise FormatError(
            f"{where}, {name[:60]}: label '{code[:60]}'; expected 1 ({_EMOTIONS[0]}) to 7 ({_EMOTIONS[-1]})"
        )
    label = _EMOTIONS[int(code) - 1]
    return Item(name.removesuffix("_aligned.jpg"), (label,), split, source=source, meta={ALIGNED: True})
