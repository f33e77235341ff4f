"""How it is said, in one vector: mean and deviation over time of the seven states of Whisper's encoder, 7,168 numbers.

The embedding of a speaker encoder is trained to forget how something was said. The recogniser's encoder is not: its
early states hold the voice, the late ones the words, and their deviations how lively both are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from merc.errors import InputError
from merc.progress import Progress
from merc.weights import WEIGHTS

RATE = 16_000
STATES, CHANNELS = 7, 512
WIDTH = STATES * 2 * CHANNELS
"""Numbers of a vector: for each state its mean, then its deviation."""

_SHORTEST = RATE // 5  # samples; shorter sounds are filled up with silence
_WHOLE = 30 * RATE  # samples that the network hears at once; what is beyond is not heard


class ExpressionEncoder:
    """Encodes utterances at their own length, without the silence that fills thirty seconds: a twelfth of the work.

    Raises WeightError when the weight 'whisper-base' is absent and InputError for fewer than one thread.
    """

    name = "whisper-base"
    dimension = WIDTH

    def __init__(self, *, threads: int = 1) -> None:
        if threads < 1:
            raise InputError(f"threads {threads}: expected 1 or more")
        from faster_whisper.feature_extractor import FeatureExtractor

        from merc.nn import whisper

        self.threads = threads
        self._network = whisper.load()
        self._mels = FeatureExtractor()

    @property
    def description(self) -> dict[str, Any]:
        """Name, weight hash, width and what the numbers are: what a value depends on."""
        return {
            "encoder": self.name,
            "sha256": WEIGHTS[self.name].sha256,
            "width": WIDTH,
            "output": "mean and deviation over time of the inner layers",
        }

    def encode(self, sounds: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Encode 16 kHz mono sounds, each int16 or float in [-1, 1): ``(n, 7168)`` float32.

        The result of one sound does not depend on the others. ``progress`` hears ``("expression", done, total)`` in
        sounds. Raises InputError for a sound that is not one channel of numbers.
        """
        from merc.nn.threads import threads

        vectors = np.empty((len(sounds), WIDTH), np.float32)
        with threads(self.threads):
            for number, sound in enumerate(sounds):
                vectors[number] = self._one(_wave(sound, number))
                if progress:
                    progress("expression", number + 1, len(sounds))
        return vectors

    def _one(self, wave: np.ndarray) -> np.ndarray:
        import torch

        mels = np.asarray(self._mels(wave, padding=0), np.float32)  # (80, hundredths of a second)
        states = self._network(torch.from_numpy(mels)[None])[0]  # (7, frames, 512)
        return np.asarray(torch.stack([states.mean(1), states.std(1, correction=0)], 1).flatten().numpy())


def _wave(sound: np.ndarray, number: int) -> np.ndarray:
    """A sound as float32 in [-1, 1), at least 0.2 and at most 30 seconds."""
    known = sound.dtype == np.int16 or np.issubdtype(sound.dtype, np.floating)
    if sound.ndim != 1 or not known:
        raise InputError(
            f"sound {number} of type {sound.dtype}, shape {sound.shape}: expected one channel at 16 kHz, int16 or float"
        )
    scale = np.float32(32768 if sound.dtype == np.int16 else 1)
    wave = np.asarray(sound[:_WHOLE], np.float32) / scale
    return np.pad(wave, (0, max(0, _SHORTEST - len(wave))))
