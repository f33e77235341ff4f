"""Tiny corpora in the official layouts, made by code, whose classes a simple encoder can tell apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars

from merc.corpora.semeval2018 import CORPUS as SEMEVAL
from merc.recipes.head_training import HeadOptions
from merc.recipes.voice_head import LeftOut

QUICK = HeadOptions(seeds=(0, 1), epochs=12, patience=4, resamples=50, batch=32)

WORDS = {
    "anger": "furious",
    "disgust": "revolting",
    "fear": "afraid",
    "joy": "happy",
    "neutral": "table",
    "sadness": "crying",
    "surprise": "unexpected",
}
EKMAN7 = tuple(WORDS)


def sentence(label: str, number: int) -> str:
    return f"this is {WORDS[label]} number {number} of them"


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def make_texts(data: Path, each: int = 30) -> Path:
    """Five text corpora with ``each`` sentences of each class in GoEmotions and a few in the others."""
    root = data / "text/goemotions/original"
    write(root / "labels.txt", "\n".join(EKMAN7))
    lines = [f"{sentence(label, k)}\t{n}\tg{n}-{k}" for n, label in enumerate(EKMAN7) for k in range(each)]
    write(root / "train.tsv", "\n".join(lines))
    write(root / "dev.tsv", "")
    write(root / "test.tsv", "")
    rows = [f"1|{label}|{sentence(label, 1000 + k)}|{label}{k}" for label in ("joy", "fear") for k in range(10)]
    write(data / "text/isear/isear_full_pipe.csv", "\n".join(["ID|Field1|SIT|MYKEY", *rows]))
    for split in ("train", "val", "test"):
        write(data / f"text/carer/{split}.txt", f"{sentence('joy', 2000)};joy\n{sentence('anger', 2001)};anger\n")
    write(
        data / "text/crowdflower/text_emotion.csv",
        f"tweet_id,sentiment,author,content\n1,happiness,a,{sentence('joy', 0)}\n2,sadness,a,{sentence('joy', 1)}\n",
    )
    for emotion in ("anger", "fear", "joy", "sadness"):
        for end in ("train", "dev", "test-gold"):
            write(data / f"text/semeval2018/EI-reg/EI-reg-En-{emotion}-{end}.txt", "ID\tTweet\tA\tS\n")
    for end in ("train", "dev", "test-gold"):
        write(data / f"text/semeval2018/E-c/E-c-En-{end}.txt", "\t".join(["ID", "Tweet", *SEMEVAL.labels]) + "\n")
    return data


def make_meld(data: Path, each: int = 12) -> Path:
    """MELD's tables; the words say the class."""
    for split in ("train", "dev", "test"):
        lines = ["Utterance,Speaker,Emotion,Dialogue_ID,Utterance_ID"]
        for n, label in enumerate(EKMAN7):
            lines += [f"{split} {sentence(label, k)},Ross,{label},{k},{n}" for k in range(each)]
        write(data / f"meld/{split}_sent_emo.csv", "\n".join(lines) + "\n")
    attributes(data / "meld", each)
    return data


def attributes(folder: Path, each: int, *, told: bool = True) -> None:
    """MELD's derived table: a column of face and of voice for each class, which tell it or, not told, are noise."""
    noise = np.random.default_rng(0)
    rows = [(split, label) for split in ("train", "dev") for label in EKMAN7 for _ in range(each)]
    table = {"split": [split for split, _ in rows], "Emotion": [label for _, label in rows]}
    for column, name in enumerate(EKMAN7):
        values = [float(label == name) if told else noise.random() for _, label in rows]
        table |= {f"AU{column:02d}": values, f"aud_{name}": values}
    polars.DataFrame(table).write_parquet(folder / "meld_utterances_multimodal.parquet")


class WordVectors:
    """Stands in for the text encoder: a noisy direction for each class, from the words alone."""

    def __init__(self, threads: int = 1) -> None:
        self.description = {"encoder": "words", "sha256": "0" * 64, "width": 16, "threads": threads}

    def vectors(self, items: list) -> np.ndarray:  # type: ignore[type-arg]
        rows = []
        for item in items:
            generator = np.random.default_rng(sum(item.text.encode()))
            direction = np.array([word in item.text for word in WORDS.values()] + [0.0] * 9, dtype=np.float32)
            rows.append(direction + 0.1 * generator.normal(size=16).astype(np.float32))
        return np.stack(rows).astype(np.float32)


def words(name: str, *, threads: int = 1, device: str = "cpu") -> WordVectors:
    """Stands in for the registry of encoders."""
    return WordVectors(threads)


def spoken(sure: float):  # type: ignore[no-untyped-def]
    """Stands in for the encoder that reads conversations: how sure it is of the class that the words say."""

    def logits(conversations, **_):  # type: ignore[no-untyped-def]
        turns = [turn for one in conversations for turn in one]
        return {turn.id: sure * np.array([WORDS[label] in turn.text for label in EKMAN7], float) for turn in turns}

    return logits


class Echo:
    """A voice head whose vectors are the probabilities, and which notes who spoke."""

    def __init__(self) -> None:
        self.spoke: list[list[str]] = []

    def probabilities(self, vectors: np.ndarray, people: list[str]) -> np.ndarray:
        self.spoke.append(people)
        return vectors


def acted(actors: int = 4) -> tuple[LeftOut, Echo]:
    """Five clips of each label by each actor, from which the label can be read."""
    classes = np.tile(np.repeat(np.arange(7), 5), actors)
    vectors = np.full((len(classes), 7), 0.02)
    vectors[np.arange(len(classes)), classes] = 0.88
    people = np.repeat([f"a{n}" for n in range(actors)], 35)
    head: Any = Echo()
    return LeftOut(head, vectors, classes, people, np.full(7, 1 / 7)), head
