"""Small conversations of the shapes that protocols divide, and answers of systems of a known quality."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import Answers
from merc.labels import EKMAN7

NATIVE = ("ang", "hap", "exc", "neu", "sad", "fru", "xxx")


def iemocap(*, dialogues: int = 8) -> list[Conversation]:
    """Five sessions of two speakers, half improvised and half scripted; every speaker has every label twice."""
    made = []
    for session in range(1, 6):
        for number in range(dialogues):
            kind = "impro" if number % 2 else "script"
            name = f"Ses{session:02d}{'FM'[number // 2 % 2]}_{kind}{number:02d}"
            made.append(Conversation(name, tuple(_turns(name, session)), {"session": f"Session{session}"}))
    return made


def _turns(name: str, session: int) -> list[Utterance]:
    return [
        Utterance(
            id=f"{name}_{actor}{place:03d}",
            speaker=f"Ses{session:02d}{actor}",
            text=f"words of {name} {actor} {place}",
            label=None if label == "xxx" else label,
            meta={"votes": label},
        )
        for place, label in enumerate(NATIVE)
        for actor in "FM"
    ]


def meld(*, train: int = 4, dev: int = 2, test: int = 2) -> list[Conversation]:
    """Dialogues with ids such as train/dia0, each holding all seven labels once."""
    made = []
    for split, number in (("train", train), ("dev", dev), ("test", test)):
        for place in range(number):
            name = f"{split}/dia{place}"
            turns = tuple(
                Utterance(f"{name}_utt{n}", speaker="Joey", text=f"{name} {n}", label=label)
                for n, label in enumerate(EKMAN7)
            )
            made.append(Conversation(name, turns, {"split": split}))
    return made


def relabelled(conversations: Sequence[Conversation], name: str, **changes: object) -> list[Conversation]:
    """The conversations with one utterance changed."""
    return [
        replace(c, utterances=tuple(replace(u, **changes) if u.id == name else u for u in c))  # type: ignore[arg-type]
        for c in conversations
    ]


def answered(*, right: float, seed: int, truth: int = 0, dialogues: int = 40, turns: int = 10) -> Answers:
    """Four classes, wrong answers drawn at random; equal ``truth`` gives equal annotated labels."""
    count = dialogues * turns
    true = np.random.default_rng(truth).integers(4, size=count)
    generator = np.random.default_rng([seed, 1])
    predicted = np.where(generator.random(count) < right, true, generator.integers(4, size=count))
    return Answers(
        labels=("a", "b", "c", "d"),
        ids=tuple(f"u{n}" for n in range(count)),
        true=true,
        predicted=predicted,
        dialogues=tuple(f"d{n // turns}" for n in range(count)),
        speakers=tuple(f"Ses01{'FM'[n % 2]}" for n in range(count)),
    )


def runs(name: str, *, right: float, seeds: Sequence[int] = (0, 1, 2), truth: int = 0) -> Runs:
    """A system of the given quality, once a seed."""
    return Runs(name, tuple(answered(right=right, seed=seed, truth=truth) for seed in seeds))
