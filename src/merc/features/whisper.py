"""How it is said, frame by frame: the hidden states of Whisper's encoder, 7 layers of 512 numbers every 20 ms.

No self-supervised speech model ships in a package, so the encoder of the recogniser stands in for one. Use a learned
sum of its layers, not the last: the early ones hold the voice, the late ones the words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.errors import InputError
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor


RATE = 16_000
FRAME = 320
"""Samples of one frame: 20 ms."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """How sounds are put before the encoder; raises InputError out of range."""

    window: float = 30.0
    """Seconds that the encoder sees at once, filled up with silence: it was trained with 30. Less is faster in
    proportion, and further from what it was trained with."""
    threads: int = 1
    """Of the processor; one is fastest where others work too."""

    def __post_init__(self) -> None:
        if not 1 <= self.window <= 30:
            raise InputError(f"whisper option window is {self.window}: expected 1 to 30 seconds")
        if self.threads < 1:
            raise InputError(f"whisper option threads is {self.threads}: expected 1 or more")


class WhisperEncoder:
    """Encodes utterances with Whisper base's encoder; raises WeightError when the weight 'whisper-base' is absent.

    ``network`` is the torch module, for those who want gradients.
    """

    name = "whisper-base"
    shape = (7, 512)

    def __init__(self, options: WhisperOptions | None = None) -> None:
        from faster_whisper.feature_extractor import FeatureExtractor

        from merc.nn import whisper

        self.options = options or WhisperOptions()
        self.network = whisper.load()
        self._mels = FeatureExtractor()
        self._samples = math.ceil(self.options.window * RATE / FRAME) * FRAME

    @property
    def description(self) -> dict[str, Any]:
        """Name, weight hash, shape and options: what a value depends on."""
        return describe(self.options)

    def encode(self, sounds: Sequence[np.ndarray], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Hidden states of 16 kHz mono sounds, each int16 or float in [-1, 1): ``(frames, 7, 512)`` float32 each.

        A frame is 20 ms; a started one counts. A sound longer than the window is encoded window by window, and its
        result does not depend on the other sounds. ``progress`` hears ``("whisper", done, total)`` in sounds. Raises
        InputError for an empty sound and one that is not one channel of numbers.
        """
        states = []
        for number, sound in enumerate(sounds):
            parts = [self._states(part)[0].transpose(0, 1) for part in self._windows(_wave(sound, number))]
            states.append(np.concatenate([part.numpy() for part in parts])[: -(-len(sound) // FRAME)])
            if progress:
                progress("whisper", number + 1, len(sounds))
        return states

    def layer_means(self, sounds: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """The mean over its frames of each layer of each sound: ``(n, 7, 512)`` float32; errors as in `encode`."""
        means = np.empty((len(sounds), *self.shape), np.float32)
        for number, sound in enumerate(sounds):
            means[number] = self.encode([sound])[0].mean(axis=0, dtype=np.float64)
            if progress:
                progress("whisper", number + 1, len(sounds))
        return means

    def spectrogram(self, sound: np.ndarray) -> np.ndarray:
        """The log-mel spectrogram of at most one window of sound, filled up with silence: float32 (80, frames × 2)."""
        padded = np.pad(sound, (0, self._samples - len(sound)))
        return np.asarray(self._mels(padded, padding=0), np.float32)

    def _windows(self, wave: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(wave), self._samples):
            yield wave[start : start + self._samples]

    def _states(self, sound: np.ndarray) -> Tensor:
        """Hidden states of one window: (1, 7, frames, 512)."""
        import torch

        from merc.nn.threads import threads

        with threads(self.options.threads):
            states: Tensor = self.network(torch.from_numpy(self.spectrogram(sound))[None])
        return states


def describe(options: WhisperOptions) -> dict[str, Any]:
    """What a value of `WhisperEncoder` depends on, without loading it."""
    from merc.weights import WEIGHTS

    name = WhisperEncoder.name
    return {"encoder": name, "sha256": WEIGHTS[name].sha256, "shape": [7, 512], "window": options.window}


def _wave(sound: np.ndarray, number: int) -> np.ndarray:
    """A sound as float32 in [-1, 1)."""
    known = sound.dtype == np.int16 or np.issubdtype(sound.dtype, np.floating)
    if sound.ndim != 1 or not known or not len(sound):
        raise InputError(
            f"sound {number} of type {sound.dtype}, shape {sound.shape}: expected one channel at 16 kHz, int16 or "
            "float, of at least one sample"
        )
    scale = np.float32(32768 if sound.dtype == np.int16 else 1)
    return np.asarray(sound, np.float32) / scale
