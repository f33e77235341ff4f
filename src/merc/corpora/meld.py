"""MELD: utterances of the series Friends with seven emotions; the annotation tables, without the media."""

from __future__ import annotations

import csv
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.errors import InputError
from merc.labels import EKMAN7

CORPUS = Corpus(
    name="meld",
    title="MELD, Multimodal EmotionLines Dataset (Poria et al., ACL 2019)",
    modality="text",
    source="https://github.com/declare-lab/MELD",
    licence="GPL-3.0 (annotations); the clips are television footage",
    noncommercial=True,
    folder="meld",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType({name: name for name in EKMAN7}),
    why="its seven classes are ours",
    defects=(
        "the training split has no dialogue 60",
        "331 of 2,610 test utterances have an exact twin in the training split, mostly one or two words",
        "train, dev and test share episodes and speakers",
    ),
)

_COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID")


def read(root: Path) -> list[Item]:
    """Read ``{train,dev,test}_sent_emo.csv``: 9,989, 1,109 and 2,610 utterances in the full corpus.

    Ids are ``train/dia0_utt0``, the group is the dialogue. Raises InputError for missing files, columns, and unknown
    labels.
    """
    items = []
    names = [f"{split}_sent_emo.csv" for split in CORPUS.splits]
    for split, path in zip(CORPUS.splits, required(root, *names, corpus=CORPUS), strict=True):
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.DictReader(file)
            if missing := [name for name in _COLUMNS if name not in (rows.fieldnames or ())]:
                raise InputError(f"{path}: no column {', '.join(missing)}; expected {', '.join(_COLUMNS)}")
            items += [_item(row, split, f"{path}, row {number}") for number, row in enumerate(rows, 2)]
    return items


def _item(row: dict[str, str], split: str, where: str) -> Item:
    dialogue = f"{split}/dia{row['Dialogue_ID']}"
    return Item(
        id=f"{dialogue}_utt{row['Utterance_ID']}",
        labels=(known(row["Emotion"], where, CORPUS),),
        split=split,
        text=row["Utterance"],
        speaker=row["Speaker"],
        group=dialogue,
    )
