"""People of four corpora of acted speech and their clips, in two halves that share nobody: one to tune on, one to test.

RAVDESS has 24 people, nEMO 9, SAVEE 4 and TESS 2; each half has about half of each corpus and of each sex.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile

RATE = 16000
HALVES = ("tuning", "test")
_QUIET = 10 ** (-35 / 20)  # amplitude below the loudest 20 ms at which a clip is cut
_FRAME = 320
_CORPORA = ("ravdess", "nemo", "savee", "tess")
_WOMEN = {"nemo": ("EB0", "IC0", "KD0", "MK0"), "tess": ("OAF", "YAF")}


@dataclass(frozen=True)
class Person:
    """One person: name, corpus, sex ("female" or "male"), and clips without and with an emotion."""

    name: str
    corpus: str
    sex: str
    neutral: tuple[Path, ...]
    moved: tuple[Path, ...]

    def clips(self, count: int, random: np.random.Generator, *, neutral: float = 0.5) -> list[np.ndarray]:
        """Float samples at 16 kHz of ``count`` clips without the silence around them, half of them neutral."""
        calm = round(count * neutral)
        paths = [*_drawn(self.neutral, calm, random), *_drawn(self.moved, count - calm, random)]
        return [trimmed(soundfile.read(paths[i], dtype="float32")[0]) for i in random.permutation(count)]


def people(data: Path, half: str) -> list[Person]:
    """The people of one half.

    Args:
        data: Folder that holds ``audio/ravdess`` and the other corpora.
        half: "tuning" or "test".
    """
    if half not in HALVES:
        raise SystemExit(f"half is '{half}': expected one of {', '.join(HALVES)}")
    found = []
    for corpus in _CORPORA:
        clips: dict[str, list[Path]] = {}
        for path in sorted((data / "audio" / corpus).glob("*.opus")):
            clips.setdefault(_speaker(corpus, path.stem), []).append(path)
        for sex in ("female", "male"):
            same = [name for name in sorted(clips) if _sex(corpus, name) == sex]
            mine = same[HALVES.index(half) :: 2]
            found += [_person(name, corpus, sex, clips[name]) for name in mine]
    return found


def trimmed(sound: np.ndarray) -> np.ndarray:
    """A clip from its first to its last loud 20 ms."""
    frames = sound[: len(sound) // _FRAME * _FRAME].reshape(-1, _FRAME)
    levels = np.sqrt((frames**2).mean(1))
    loud = np.flatnonzero(levels > _QUIET * levels.max())
    return sound[loud[0] * _FRAME : (loud[-1] + 1) * _FRAME]


def _drawn(paths: Sequence[Path], count: int, random: np.random.Generator) -> list[Path]:
    """Some of the paths, none twice before all were drawn."""
    order = [i for _ in range(-(-count // len(paths))) for i in random.permutation(len(paths))]
    return [paths[i] for i in order[:count]]


def _person(name: str, corpus: str, sex: str, clips: Sequence[Path]) -> Person:
    neutral = tuple(path for path in clips if _is_neutral(corpus, path.stem))
    return Person(f"{corpus}-{name}", corpus, sex, neutral, tuple(path for path in clips if path not in neutral))


def _speaker(corpus: str, stem: str) -> str:
    return stem.split("-")[6] if corpus == "ravdess" else "OAF" if stem.startswith("OA_") else stem.split("_")[0]


def _sex(corpus: str, name: str) -> str:
    female = int(name) % 2 == 0 if corpus == "ravdess" else name in _WOMEN.get(corpus, ())
    return "female" if female else "male"


def _is_neutral(corpus: str, stem: str) -> bool:
    if corpus == "ravdess":
        return stem.split("-")[2] in ("01", "02")
    return stem.split("_")[1].startswith("n") if corpus == "savee" else "neutral" in stem
