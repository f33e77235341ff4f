"""Planted conversations on the real way of a training: a feature store, a protocol, a run folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.features.store import Feature, Writer
from merc.labels import EKMAN7
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import named, train_fold
from merc.systems import SYSTEMS

WIDTHS: Mapping[str, int] = {"text": 8, "voice": 7, "face": 6, "motion": 9}
SIZES = {"train": 12, "dev": 4, "test": 4}
QUICK = {"epochs": 7, "patience": 7, "learning_rate": 1e-2, "threads": 1}


def conversations(
    *, turns: int = 7, people: int = 2, sizes: Mapping[str, int] | None = None, unlabelled: tuple[str, ...] = ()
) -> tuple[Conversation, ...]:
    """Dialogues of MELD's splits that say the seven labels in turn, those of the splits named without labels."""
    made = []
    for split, size in (sizes or SIZES).items():
        for number in range(size):
            said = tuple(
                Utterance(
                    id=f"{split}/dia{number}_utt{turn}",
                    speaker=f"speaker {turn % people}",
                    text=f"turn {turn} of {number}",
                    label=None if split in unlabelled else EKMAN7[(turn + number) % 7],
                )
                for turn in range(turns)
            )
            made.append(Conversation(f"{split}/dia{number}", said, {"split": split}))
    return tuple(made)


_OPTIONS: Mapping[str, Mapping[str, object]] = {
    "tripathi": {"bins": 1, "glances": 1},  # a vector is one step
    "mamba": {"text_width": 128},
    "speech": {"backbone": ""},  # no states of a speech encoder
    "deepmsi": {"cells": 3, "keep": (2,)},  # of the vector that stands for a frame
}
"""What keeps the runs of the tests short."""


def store(folder: Path, read: tuple[Conversation, ...], *, absent: Mapping[str, tuple[str, ...]] | None = None) -> Path:
    """A feature of each modality that tells the labels apart; ``absent``: by modality the splits that lack it."""
    for place, (modality, width) in enumerate(WIDTHS.items()):
        centres = np.random.default_rng(place).normal(size=(7, width))
        noise = np.random.default_rng(place + 10)
        with Writer(folder, Feature(modality, (width,), {"encoder": modality, "sha256": "a" * 64})) as writer:
            for conversation in read:
                for turn, utterance in enumerate(conversation):
                    split, _, rest = conversation.id.partition("/dia")
                    value = centres[(turn + int(rest)) % 7] + 0.1 * noise.normal(size=width)
                    lacking = split in (absent or {}).get(modality, ())
                    writer.add(utterance.id, None if lacking else value, reason="left out" if lacking else None)
    return folder


def request(system: str, root: Path, **training: object) -> Request:
    """All modalities of a system from the store at ``root``."""
    described = SYSTEMS[system].description
    modalities, batch = described.modalities, 4 if described.level == "dialogue" else 16
    features = ",".join(f"{name}={root / 'store'}:{name}" for name in WIDTHS if name in modalities)
    options = _OPTIONS.get(system, {})
    return Request(
        system, "meld-7", features, options=options, training={**QUICK, "batch": batch, **training}, data=root
    )


def accuracy(asked: Request, read: tuple[Conversation, ...]) -> float:
    """The share of test that a system gets right after its training on a store."""
    prepared = Prepared(asked, read)
    (fold,) = prepared.folds()
    trained = train_fold(prepared, fold)
    predicted = trained.predict(fold.test.ids)
    labels = {turn.id: turn.label for one in read for turn in one}
    said = named(predicted, prepared.classes)
    return float(np.mean([said[name] == labels[name] for name in fold.test.ids]))
