"""Statistics pooling of Whisper's encoder: mean and standard deviation over time of hidden layers, 1,024 numbers each.

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
    from torch import Tensor

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
    summary = "Mean and standard deviation over time of the 7 hidden layers."

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


LAYERS = 5
"""Layers that run for the middle states: more cost time and tell less of how something is said."""
MIDDLE = LAYERS * 2 * CHANNELS


class MiddleEncoder(Encoder):
    """Statistics pooling of the outputs of the first five layers, in bfloat16 where the device multiplies it natively.

    A sound is encoded alone, at its own length, so that no other sound changes its states. Arguments as for `Encoder`.
    """

    name = "whisper-base-middle"
    modality = "voice"
    input = "sound"
    shape = (MIDDLE,)
    weights = ("whisper-base",)
    summary = "Mean and standard deviation over time of hidden layers 1 to 5: what the shipped voice head reads."

    def describe(self) -> dict[str, Any]:
        """Weight, hash, width and output."""
        return self._pinned(output="mean and standard deviation over time of hidden layers 1 to 5")

    @cached_property
    def _backbone(self) -> WhisperBackbone:
        from merc.backbones.whisper import WhisperBackbone
        from merc.nn.device import multiplies_bfloat16, resolve
        from merc.nn.whisper import shared

        device = resolve(self.device)
        if device.type == "cpu":
            return WhisperBackbone.load(network=shared())
        made = WhisperBackbone.load(device=self.device)
        if multiplies_bfloat16(device):
            made.network.bfloat16()
        return made

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Encode 16 kHz mono sounds: ``(n, 5120)`` float32; of a sound above thirty seconds the beginning counts.

        Raises:
            InputError: a sound is not one channel of int16 or float samples.
            WeightError: the weight 'whisper-base' is absent.
        """
        return self._encode(batch, [()] * len(batch), progress)[0]

    def encode_windows(
        self, batch: Sequence[np.ndarray], windows: Sequence[Sequence[tuple[int, int]]]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Encode sounds, and windows of them from the same states: hardly slower than `encode`; windows in float16."""
        return self._encode(batch, windows, None)

    def _encode(
        self, batch: Sequence[np.ndarray], windows: Sequence[Sequence[tuple[int, int]]], progress: Progress | None
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        from merc.nn.threads import threads

        vectors = np.empty((len(batch), MIDDLE), np.float32)
        parts = [np.empty((len(own), MIDDLE), np.float16) for own in windows]
        _ = self._backbone  # loaded outside inference mode
        for number, sound in enumerate(batch):
            check_sound(sound, number)
            with threads(self.threads):
                states = self._states(sound)
                vectors[number] = _pooled(states)
                for place, window in enumerate(windows[number]):
                    parts[number][place] = _pooled(_within(states, window))
            if progress:
                progress("expression", number + 1, len(batch))
        return vectors, parts

    def _states(self, sound: np.ndarray) -> Tensor:
        """The outputs of the layers ``(5, frames of 20 ms, 512)`` float32."""
        import torch

        backbone, wave = self._backbone, as_float(sound[:_LONGEST])
        mels = torch.from_numpy(backbone.spectrogram(np.pad(wave, (0, max(0, _SHORTEST - len(wave))))))  # (80, 10 ms)
        network: Any = backbone.network
        inputs = mels[None].to(backbone.device, next(network.parameters()).dtype)
        found: Tensor = network(inputs, layers=LAYERS)[0, 1:].float()
        return found


def _pooled(states: Tensor) -> np.ndarray:
    """Statistics pooling of ``(5, frames, 512)``: for each layer its mean, then its standard deviation."""
    import torch

    return np.asarray(torch.stack([states.mean(1), states.std(1, correction=0)], 1).flatten().cpu().numpy())


def _within(states: Tensor, window: tuple[int, int]) -> Tensor:
    """The states of a window of samples, at least one."""
    count, frame = states.shape[1], RATE // 50
    first = min(window[0] // frame, count - 1)
    return states[:, first : max(first + 1, min(count, -(-window[1] // frame)))]
