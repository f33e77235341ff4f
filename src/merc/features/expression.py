"""Statistics pooling of Whisper's encoder: mean and standard deviation over time of its 7 hidden layers, 7,168 numbers.

The embedding of a speaker encoder is trained to forget how something was said. The recogniser's encoder is not: its
early states hold the voice, the late ones the words, and their deviations how lively both are.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.features.encoder import Encoder, as_float, check_sound
from merc.progress import Progress

if TYPE_CHECKING:
    from merc.backbones.whisper import WhisperBackbone

RATE = 16_000
STATES, CHANNELS = 7, 512
WIDTH = STATES * 2 * CHANNELS
"""Numbers of a vector: for each state its mean, then its standard deviation."""

_SHORTEST = RATE // 5  # samples; shorter sounds are padded with silence
_LONGEST = 30 * RATE  # samples that the network reads at once; the rest of a longer sound is cut off


class ExpressionEncoder(Encoder):
    """Encodes utterances at their own length, without padding to thirty seconds; arguments as for `Encoder`."""

    name = "whisper-base-statistics"
    modality = "voice"
    input = "sound"
    shape = (WIDTH,)
    weights = ("whisper-base",)
    summary = "Mean and standard deviation over time of the 7 hidden layers: what the shipped voice head reads."

    def describe(self) -> dict[str, Any]:
        """Weight, hash, width and output."""
        return self._pinned(output="mean and standard deviation over time of the 7 hidden layers")

    @cached_property
    def _backbone(self) -> WhisperBackbone:
        from merc.backbones.whisper import WhisperBackbone

        return WhisperBackbone.load(device=self.device)

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Encode 16 kHz mono sounds: ``(n, 7168)`` float32; of a sound above thirty seconds the beginning counts.

        Raises:
            InputError: a sound is not one channel of int16 or float samples.
            WeightError: the weight 'whisper-base' is absent.
        """
        from merc.nn.threads import threads

        vectors = np.empty((len(batch), WIDTH), np.float32)
        _ = self._backbone  # loaded outside inference mode
        for number, sound in enumerate(batch):
            check_sound(sound, number)
            with threads(self.threads):
                vectors[number] = self._one(sound)
            if progress:
                progress("expression", number + 1, len(batch))
        return vectors

    def _one(self, sound: np.ndarray) -> np.ndarray:
        import torch

        wave = as_float(sound[:_LONGEST])
        mels = self._backbone.spectrogram(np.pad(wave, (0, max(0, _SHORTEST - len(wave)))))  # (80, 10 ms)
        states = self._backbone.network(torch.from_numpy(mels)[None].to(self._backbone.device))[0]  # (7, frames, 512)
        pooled = torch.stack([states.mean(1), states.std(1, correction=0)], 1).flatten()
        return np.asarray(pooled.cpu().numpy())
