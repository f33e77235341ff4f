"""Weather talk: twelve invented dialogues about the weather, in one table, with official splits."""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType

from merc.conversation import Conversation, Utterance
from merc.corpora.corpus import Corpus, Item, items, known, required
from merc.corpora.rows import table
from merc.evaluation import splits
from merc.evaluation.protocol import Protocol

MERC_CONTRACT = 1

CORPUS = Corpus(
    name="weather-talk",
    title="Weather talk, invented dialogues",
    modality="conversation",
    source="the folder data of this package",
    licence="CC0",
    noncommercial=False,
    folder="weather-talk",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType({"calm": "neutral", "glad": "joy", "cross": "anger"}),
    why="calm, glad and cross are neutral, joy and anger",
    counts=MappingProxyType({"all": 36, "train": 24, "dev": 6, "test": 6}),
)

PROTOCOL = Protocol(
    name="weather-talk",
    corpus="weather-talk",
    label_set=CORPUS.labels,
    metric="weighted_f1",
    description="weather-talk in its own three classes; official train, dev (validates) and test",
    rule=splits.official,
)


def conversations(root: Path) -> list[Conversation]:
    """Read ``dialogues.csv`` (dialogue, split, speaker, text, label), one row per utterance."""
    (path,) = required(root, "dialogues.csv", corpus=CORPUS)
    dialogues: dict[tuple[str, str], list[Utterance]] = {}
    for row in table(path, ("dialogue", "split", "speaker", "text", "label")):
        said = dialogues.setdefault((row["dialogue"], row["split"]), [])
        label = known(row["label"], row.where, CORPUS)
        said.append(Utterance(f"{row['dialogue']}_{len(said)}", row["speaker"], row["text"], label=label))
    return [Conversation(name, tuple(said), {"split": split}) for (name, split), said in dialogues.items()]


def read(root: Path) -> list[Item]:
    """The same utterances as plain items."""
    return items(conversations(root))
