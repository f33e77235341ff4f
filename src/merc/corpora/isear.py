"""ISEAR: reports by people of 37 countries of situations in which they felt one of seven emotions."""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.corpora.rows import Row, parsed, text_of

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
    why="five of its seven emotions are among the seven classes; shame and guilt are not and are dropped",
    defects=(
        "the letter á marks a line break and is read as a space",
        "some rows have no answer ('NO RESPONSE') or only a remark in brackets: they are marked as defective",
        "no official split; each text describes a situation and is not an utterance",
    ),
    counts=MappingProxyType(
        {
            **{"all": 7666},
            **{
                f"all {name}": n
                for name, n in zip(
                    ("joy", "fear", "anger", "sadness", "disgust", "shame", "guilt"),
                    (1094, 1095, 1096, 1096, 1096, 1096, 1093),
                    strict=True,
                )
            },
        }
    ),
)

_EMPTY = re.compile(
    r"^\[[^\]]*\]\W*$|^\W*(no(ne| response| description)?|never( experienced( it)?)?|blank|(does )?not applicable"
    r"|(i )?(do not|don't|can ?not|can't) (remember|recall)( any\w*.{0,30})?|doesn't apply)\W*$",
    re.IGNORECASE,
)


def read(root: Path) -> list[Item]:
    """Read ``isear_full_pipe.csv`` (Latin-1, separated by ``|``): 7,666 rows in the full corpus.

    Raises:
        InputError: If the file is missing.
        FormatError: If there is no column Field1 (emotion), SIT (situation), MYKEY or ID, or a row is malformed.
    """
    (path,) = required(root, "isear_full_pipe.csv", corpus=CORPUS)
    text = text_of(path, encoding="latin-1")
    return [
        _item(row) for row in parsed(text, str(path), ("Field1", "SIT", "MYKEY", "ID"), delimiter="|", quoted=False)
    ]


def _item(row: Row) -> Item:
    text = " ".join(row["SIT"].replace("á", " ").split())
    return Item(
        id=row["MYKEY"],
        labels=(known(row["Field1"].strip().lower(), row.where, CORPUS),),
        text=text,
        speaker=row["ID"],
        defect="no answer" if not text or _EMPTY.match(text) else None,
    )
