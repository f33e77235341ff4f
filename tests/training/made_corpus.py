"""A small corpus whose labels follow from its features, for the tests of this room."""

from __future__ import annotations

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.features.feature import Feature
from merc.training.data import Material

CLASSES = ("angry", "neutral", "sad")


def conversations(count: int = 12, *, turns: int = 6, seed: int = 0) -> tuple[Conversation, ...]:
    """Dialogues of two speakers with 1 to ``turns`` utterances; every fourth utterance has no label."""
    generator = np.random.default_rng(seed)
    made = []
    for number in range(count):
        size = 1 + int(generator.integers(turns)) if number else turns
        utterances = tuple(
            Utterance(
                id=f"d{number}_u{turn}",
                speaker=f"{'FM'[turn % 2]}{number % 3}",
                text=f"sentence {turn} of {number}",
                label=None if turn % 4 == 3 else CLASSES[int(generator.integers(3))],
            )
            for turn in range(size)
        )
        made.append(Conversation(f"d{number}", utterances))
    return tuple(made)


def features(read: tuple[Conversation, ...], *, seed: int = 0, noise: float = 0.3) -> dict[str, Feature]:
    """Text (5 values) and voice (3 values, another scale) that carry the label, with noise."""
    generator = np.random.default_rng(seed + 1)
    centres = generator.normal(size=(len(CLASSES) + 1, 5))
    turns = [utterance for conversation in read for utterance in conversation]
    numbers = [len(CLASSES) if turn.label is None else CLASSES.index(turn.label) for turn in turns]
    text = centres[numbers] + noise * generator.normal(size=(len(turns), 5))
    voice = 100 + 20 * centres[numbers, :3] + 10 * generator.normal(size=(len(turns), 3))
    ids = [turn.id for turn in turns]
    return {"text": Feature.of(ids, text, source="made text"), "voice": Feature.of(ids, voice, source="made voice")}


def material(count: int = 12, *, turns: int = 6, seed: int = 0) -> Material:
    """The corpus with its features and labels."""
    read = conversations(count, turns=turns, seed=seed)
    labels = {turn.id: turn.label for conversation in read for turn in conversation if turn.label is not None}
    return Material(read, features(read, seed=seed), CLASSES, labels)


def scored(made: Material, *dialogues: int) -> list[str]:
    """The labelled utterances of some dialogues."""
    return [turn.id for number in dialogues for turn in made.conversations[number] if turn.id in made.labels]
