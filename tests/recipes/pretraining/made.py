"""A tiny encoder of Whisper's kind, and a tiny RAVDESS whose labels are bands of frequency."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from merc.backbones.whisper import WhisperBackbone
from merc.nn.whisper import WhisperNetwork
from merc.recipes.pretraining.sounds import Batch, Sounds

CODES = (1, 3, 4, 5, 6, 7, 8)
"""RAVDESS's emotions among the seven, in its own numbers."""
PEOPLE = 6
WIDTH = 32


def network(layers: int = 2) -> WhisperNetwork:
    torch.manual_seed(0)
    made = WhisperNetwork(WIDTH, layers, 2)
    made.positions.copy_(0.1 * torch.randn(made.positions.shape))
    return made.eval()


@cache
def _mels() -> Any:
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor()


def backbone(layers: int = 2) -> WhisperBackbone:
    return WhisperBackbone(network(layers), _mels(), sha256="0" * 64)


def tone(number: int, person: int, *, seconds: float = 0.3) -> np.ndarray:
    """A sound whose band is its label, over the person's own noise."""
    random = np.random.default_rng(number * 100 + person)
    time = np.arange(round(seconds * 16000)) / 16000
    wave = 0.3 * np.sin(2 * np.pi * (300 + 500 * number) * time + random.uniform(0, 6))
    return (wave + 0.02 * random.standard_normal(len(wave))).astype(np.float32)


def ravdess(data: Path, people: int = PEOPLE) -> Path:
    folder = data / "audio/ravdess"
    folder.mkdir(parents=True)
    for person in range(1, people + 1):
        for number, code in enumerate(CODES):
            soundfile.write(folder / f"03-01-{code:02}-01-01-01-{person:02}.wav", tone(number, person), 16000)
    return data


def savee(data: Path) -> Path:
    folder = data / "audio/savee"
    folder.mkdir(parents=True)
    for number, code in enumerate(("a", "d", "f", "h", "n", "sa", "su")):
        soundfile.write(folder / f"DC_{code}01.wav", tone(number, 30), 16000)
    return data


def sounds(count: int = 8, *, seconds: tuple[float, ...] = (0.3, 0.5), **more: Any) -> Sounds:
    """Sounds of two lengths, whose label is their number modulo 4."""
    rows = {f"s{n}": tone(n % 4, n, seconds=seconds[n % len(seconds)]) for n in range(count)}
    labels = {name: n % 4 for n, name in enumerate(rows)}
    return Sounds(rows, list(rows), backbone().prepare, labels, **{"batch_seconds": 2.0, **more})


def batch(count: int = 4, **more: Any) -> Batch:
    made = sounds(count, **more)
    return made.batch(made.names)
