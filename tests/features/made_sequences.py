"""A small corpus whose features are sequences in a store."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.features import stored
from merc.features.feature import Feature
from merc.features.store import Feature as StoreFeature
from merc.features.store import Writer

CLASSES = ("calm", "tense")


def corpus(count: int, *, turns: int = 3) -> tuple[Conversation, ...]:
    """Dialogues of two speakers with labels drawn at random."""
    random = np.random.default_rng(count)
    return tuple(
        Conversation(
            f"d{number}",
            tuple(
                Utterance(f"d{number}_u{turn}", "FM"[turn % 2], label=CLASSES[int(random.integers(2))])
                for turn in range(turns)
            ),
        )
        for number in range(count)
    )


def stored_rows(folder: Path, name: str, rows: Mapping[str, np.ndarray | None]) -> None:
    """Write sequences, None where an utterance has none."""
    width = next(row.shape[1] for row in rows.values() if row is not None)
    with Writer(folder, StoreFeature(name, (width,), {"encoder": name}, sequence=True, half=True), size=8) as writer:
        for utterance, row in rows.items():
            writer.add(utterance, row, reason="no sound" if row is None else None)


def read_store(folder: Path, name: str, read: tuple[Conversation, ...], *, tokens: bool = True) -> Feature:
    ids = [turn.id for one in read for turn in one]
    return stored.read(folder, name, ids, corpus="made", tokens=tokens)


def numbered(read: tuple[Conversation, ...], steps: int) -> dict[str, np.ndarray | None]:
    """Sequences of 0, 1, 2, … for every utterance."""
    return {turn.id: np.arange(steps, dtype=np.float32)[:, None] for one in read for turn in one}
