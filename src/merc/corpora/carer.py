"""CARER: English tweets that name their feeling, six classes."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.corpora.corpus import Corpus, Item, known, required
from merc.errors import InputError

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
)


def read(root: Path) -> list[Item]:
    """Read ``{train,val,test}.txt`` with lines ``text;label``: 16,000, 2,000 and 2,000 in the full corpus.

    Raises InputError for missing files, lines without a label and unknown labels.
    """
    items = []
    for split, path in zip(
        CORPUS.splits, required(root, *(f"{s}.txt" for s in CORPUS.splits), corpus=CORPUS), strict=True
    ):
        lines = path.read_text(encoding="utf-8").split("\n")
        for number, line in enumerate((line for line in lines if line.strip()), 1):
            text, separator, label = line.strip().rpartition(";")
            if not separator:
                raise InputError(f"{path}, line {number}: '{line[:60]}'; expected text;label")
            label = known(label, f"{path}, line {number}", CORPUS)
            items.append(Item(f"{split}-{number}", (label,), split, text=text))
    return items
