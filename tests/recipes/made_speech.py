"""A few actors of RAVDESS, made by code: a tone whose pitch tells the emotion, silence around it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from merc.corpora import CORPORA

RATE = 16_000


def actors(root: Path, count: int = 6, *, takes: int = 1, seconds: float = 0.12) -> Path:
    """``count`` actors with ``takes`` sounds of each of eight emotions; every other sound is half as long again."""
    folder = root / CORPORA["ravdess"].folder
    folder.mkdir(parents=True)
    random = np.random.default_rng(0)
    silence = np.zeros(RATE // 20, np.float32)
    for actor in range(1, count + 1):
        for emotion in range(1, 9):
            for take in range(1, takes + 1):
                length = round(RATE * seconds * (1 + 0.5 * (emotion % 2)))
                time = np.arange(length) / RATE
                tone = 0.3 * np.sin(2 * np.pi * (200 + 250 * emotion) * time) + 0.02 * random.normal(size=length)
                sound = np.concatenate([silence, tone, silence])
                soundfile.write(folder / f"03-01-{emotion:02}-01-01-{take:02}-{actor:02}.wav", sound, RATE)
    return root
