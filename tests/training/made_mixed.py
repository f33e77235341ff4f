"""Corpora whose vectors show a class and a score, for tasks with several corpora, targets, or no labels."""

from __future__ import annotations

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.features.feature import Feature
from merc.training.material import Material


def planted(name: str, classes: tuple[str, ...], count: int, *, labelled: bool = True) -> Material:
    """Utterances whose first values show the class and whose last value is the score "val"; every third has none."""
    random, read, rows = np.random.default_rng(len(classes)), [], {}
    for number in range(count):
        turns = []
        for turn in range(2):
            place = int(random.integers(len(classes)))
            value = float(random.normal())
            rows[f"{name}{number}_{turn}"] = np.array([*np.eye(4)[place] * 2, value], np.float32)
            scores = {"val": value, "act": -value} if (number + turn) % 3 else {"act": -value}
            turns.append(
                Utterance(
                    f"{name}{number}_{turn}", f"{name}-{'FM'[turn]}{number % 2}", label=classes[place], scores=scores
                )
            )
        read.append(Conversation(f"{name}{number}", tuple(turns)))
    labels = {turn.id: str(turn.label) for one in read for turn in one} if labelled else {}
    features = {"text": Feature("made", 5, rows)}
    return Material(tuple(read), features, classes if labelled else (), labels, corpus=name)


def ids(made: Material) -> list[str]:
    return [turn.id for one in made.conversations for turn in one]
