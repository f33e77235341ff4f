"""ISEAR: situations in which people of 37 countries say they felt one of seven emotions."""

from __future__ import annotations

import csv
import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.errors import InputError

CORPUS = Corpus(
    name="isear",
    title="International Survey on Emotion Antecedents and Reactions (Scherer and Wallbott, 1994)",
    modality="text",
    source="https://www.unige.ch/cisa/research/materials-and-online-research/research-material/",
    licence="academic research",
    noncommercial=True,
    folder="text/isear",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {
            "joy": "joy",
            "fear": "fear",
            "anger": "anger",
            "sadness": "sadness",
            "disgust": "disgust",
            "shame": None,
            "guilt": None,
        }
    ),
    why="five of its seven emotions are among ours; shame and guilt are not, and are dropped",
    defects=(
        "the letter á stands where a line was broken, and is read as a space",
        "some rows hold no answer ('NO RESPONSE') or only a coder's remark in brackets: they are marked and dropped",
        "no official split; each text describes a situation, it is not an utterance",
    ),
)

_EMPTY = re.compile(
    r"^\[[^\]]*\]\W*$|^\W*(no(ne| response| description)?|never( experienced( it)?)?|blank|(does )?not applicable"
    r"|(i )?(do not|don't|can ?not|can't) (remember|recall)( any\w*.{0,30})?|doesn't apply)\W*$",
    re.IGNORECASE,
)


def read(root: Path) -> list[Item]:
    """Read ``isear_full_pipe.csv`` (Latin-1, separated by ``|``): 7,666 rows in the full corpus.

    Raises InputError when the file is missing or has no columns Field1 (emotion), SIT (situation) and MYKEY (id).
    """
    (path,) = required(root, "isear_full_pipe.csv", corpus=CORPUS)
    with path.open(encoding="latin-1", newline="") as file:
        rows = csv.reader(file, delimiter="|", quoting=csv.QUOTE_NONE)
        header = next(rows, [])
        if missing := [name for name in ("Field1", "SIT", "MYKEY", "ID") if name not in header]:
            raise InputError(f"{path}: no column {', '.join(missing)}; expected the full table of ISEAR")
        return [_item(dict(zip(header, row, strict=False)), f"{path}, row {n}") for n, row in enumerate(rows, 2) if row]


def _item(row: dict[str, str], where: str) -> Item:
    text = " ".join(row["SIT"].replace("á", " ").split())
    return Item(
        id=row["MYKEY"],
        labels=(known(row["Field1"].strip().lower(), where, CORPUS),),
        text=text,
        speaker=row["ID"],
        defect="no answer" if not text or _EMPTY.match(text) else None,
    )
