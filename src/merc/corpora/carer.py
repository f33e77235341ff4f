"""CARER: English tweets with emotion words, six classes."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.corpora.rows import lines_of
from merc.errors import FormatError

CORPUS = Corpus(
    name="carer",
    title="CARER emotion dataset (Saravia et al., EMNLP 2018)",
    modality="text",
    source="https://github.com/dair-ai/emotion_dataset",
    licence="educational and research use only",
    noncommercial=True,
    folder="text/carer",
    splits=("train", "val", "test"),
    to_ekman7=MappingProxyType(
        {
            "anger": "anger",
            "fear": "fear",
            "joy": "joy",
            "love": "joy",
            "sadness": "sadness",
            "surprise": "surprise",
        }
    ),
    why="love counts as joy, as in the grouping of GoEmotions; the corpus has no neutral and no disgust",
    defects=(
        "lower-cased, apostrophes removed ('im', 'didnt'); almost every text says 'feel'",
        "labels come from hashtags, not from annotators; a few texts occur twice with different labels",
    ),
    counts=MappingProxyType(
        {
            **{"train": 16000, "val": 2000, "test": 2000},
            **{
                f"train {name}": n
                for name, n in zip(
                    ("anger", "fear", "joy", "love", "sadness", "surprise"),
                    (2159, 1937, 5362, 1304, 4666, 572),
                    strict=True,
                )
            },
            **{
                f"val {name}": n
                for name, n in zip(
                    ("anger", "fear", "joy", "love", "sadness", "surprise"), (275, 212, 704, 178, 550, 81), strict=True
                )
            },
            **{
                f"test {name}": n
                for name, n in zip(
                    ("anger", "fear", "joy", "love", "sadness", "surprise"), (275, 224, 695, 159, 581, 66), strict=True
                )
            },
        }
    ),
)


def read(root: Path) -> list[Item]:
    """Read ``{train,val,test}.txt`` with lines ``text;label``: 16,000, 2,000 and 2,000 in the full corpus.

    Raises:
        InputError: If a file is missing.
        FormatError: If a line has no label or an unknown one.
    """
    items = []
    for split, path in zip(
        CORPUS.splits, required(root, *(f"{s}.txt" for s in CORPUS.splits), corpus=CORPUS), strict=True
    ):
        for number, (where, line) in enumerate(lines_of(path), 1):
            text, separator, label = line.strip().rpartition(";")
            if not separator:
                raise FormatError(f"{where}: '{line[:60]}'; expected text;label")
            label = known(label, where, CORPUS)
            items.append(Item(f"{split}-{number}", (label,), split, text=text))
    return items
