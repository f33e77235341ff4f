"""A release of IEMOCAP with ratings that follow from a feature store beside it, small enough to train on in seconds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merc.features.store import Feature, Writer

DIALOGUES, TURNS, WIDTH = 4, 6, 5


def ids() -> list[tuple[int, str, list[str]]]:
    """Of every dialogue its session, its name and the names of its turns."""
    names = [(session, f"Ses0{session}F_impro{number:02d}") for session in range(1, 6) for number in range(DIALOGUES)]
    return [(session, name, [f"{name}_{'FM'[turn % 2]}{turn:03d}" for turn in range(TURNS)]) for session, name in names]


def vectors() -> dict[str, np.ndarray]:
    """Vectors ``(WIDTH,)`` of every turn."""
    generator = np.random.default_rng(3)
    return {turn: generator.normal(size=WIDTH) for _, _, turns in ids() for turn in turns}


CLASSES = ("ang", "hap", "neu", "sad")


def tree(root: Path, *, dominance: bool = True, noise: float = 0.1, classes: bool = False) -> Path:
    """``iemocap/IEMOCAP_full_release``: valence, activation and dominance are linear in the vectors, and some noise.

    Without ``dominance`` it is the same for every turn. With ``classes`` the label is one of four, by the signs of two
    numbers of a vector, and the last turn of a dialogue has none; else all turns are neutral.
    """
    axes, generator = np.random.default_rng(4).normal(size=(WIDTH, 3)) / WIDTH**0.5, np.random.default_rng(5)
    given = vectors()
    for session, name, turns in ids():
        dialog = root / "iemocap" / "IEMOCAP_full_release" / f"Session{session}" / "dialog"
        said, rated = [], []
        for place, turn in enumerate(turns):
            val, act, dom = np.clip(3 + 0.6 * (given[turn] @ axes + noise * generator.normal(size=3)), 1, 5)
            dom = dom if dominance else 3.0
            said.append(f"{turn} [{place:08.4f}-{place + 1:08.4f}]: it is {place} in {name}")
            label = CLASSES[2 * (given[turn][0] > 0) + (given[turn][1] > 0)] if place < TURNS - 1 else "xxx"
            label = label if classes else "neu"
            rated.append(f"[{place:.4f} - {place + 1:.4f}]\t{turn}\t{label}\t[{val:.4f}, {act:.4f}, {dom:.4f}]")
        for folder, lines in (("transcriptions", said), ("EmoEvaluation", rated)):
            (dialog / folder).mkdir(parents=True, exist_ok=True)
            (dialog / folder / f"{name}.txt").write_text("\n".join(lines) + "\n", encoding="latin-1")
    return root


def store(root: Path) -> Path:
    """The vectors of every turn."""
    feature = Feature("made", (WIDTH,), {"encoder": "made", "sha256": "a" * 64}, corpus="iemocap")
    with Writer(root / "store", feature) as writer:
        for name, vector in vectors().items():
            writer.add(name, vector)
    return root / "store"
