"""Frames of Whisper's encoder in sizes that systems of sequences can read: fewer a second, or fewer layers.

All layers at 50 frames a second take 360 kB per second of speech (``whisper-base-frames``). Here a sound is encoded at
its own length, without padding to thirty seconds, and either the rate or the number of layers is reduced.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.features.encoder import Encoder, as_float, check_sound
from merc.features.expression import LAYERS, MiddleEncoder
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

RATE = 16_000
FRAME = 320
"""Samples of a frame of the network: 20 ms."""
_SHORTEST = RATE // 5  # samples; shorter sounds are padded with silence, and the frames of the padding left out
_LONGEST = 30 * RATE  # samples that the network reads at once; a longer sound is encoded window by window


class _Frames(Encoder):
    """What both rates share: a sound alone, at its own length, window by window."""

    modality = "voice"
    input = "sound"
    sequence = True
    half = True
    weights = ("whisper-base",)
    output: str
    layers: int

    def describe(self) -> dict[str, Any]:
        """Weight, hash, shape and output."""
        found = self._pinned(shape=list(self.shape), output=self.output)
        return {name: value for name, value in found.items() if name != "width"}

    @cached_property
    def _backbone(self) -> Any:
        return MiddleEncoder(device=self.device)._backbone

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Encode 16 kHz mono sounds: ``(steps, *shape)`` float32 each; a started step counts.

        Raises:
            InputError: a sound is empty or not one channel of int16 or float samples.
            WeightError: the weight 'whisper-base' is absent.
        """
        from merc.nn.threads import threads

        found = []
        _ = self._backbone  # loaded outside inference mode
        for number, sound in enumerate(batch):
            check_sound(sound, number, empty=False)
            with threads(self.threads):
                parts = [self._window(sound[start : start + _LONGEST]) for start in range(0, len(sound), _LONGEST)]
            found.append(np.concatenate(parts))
            if progress:
                progress("speech frames", number + 1, len(batch))
        return found

    def _window(self, sound: np.ndarray) -> np.ndarray:
        import torch

        backbone, wave = self._backbone, as_float(sound)
        mels = torch.from_numpy(backbone.spectrogram(np.pad(wave, (0, max(0, _SHORTEST - len(wave))))))  # (80, 10 ms)
        inputs = mels[None].to(backbone.device, next(backbone.network.parameters()).dtype)
        states = backbone.network(inputs, layers=self.layers)[0].float()  # (1 + layers, frames, 512)
        frames = -(-len(wave) // FRAME)
        return np.asarray(self._steps(states[:, :frames]).cpu().numpy())

    def _steps(self, states: Tensor) -> Tensor:
        """Hidden states ``(1 + layers, frames, 512)`` as the rows of the feature, ``(steps, *shape)``."""
        raise NotImplementedError


class TenHertz(_Frames):
    """All hidden layers, each the mean over a tenth of a second; arguments as for `Encoder`."""

    name = "whisper-base-10hz"
    shape = (7, 512)
    layers = 6
    output = "means of 7 hidden layers over tenths of a second"
    summary = "Means of the 7 hidden layers over tenths of a second: 72 kB per second in a store."

    def _steps(self, states: Tensor) -> Tensor:
        return _tenths(states).transpose(0, 1)


class FiftyHertz(_Frames):
    """The mean over the middle layers for each frame of 20 ms; arguments as for `Encoder`."""

    name = "whisper-base-50hz"
    shape = (512,)
    layers = LAYERS
    output = "mean over hidden layers 1 to 5 of each frame of 20 ms"
    summary = "Mean over hidden layers 1 to 5 of each frame of 20 ms: 51 kB per second in a store."

    def _steps(self, states: Tensor) -> Tensor:
        return states[1:].mean(0)


def _tenths(states: Tensor) -> Tensor:
    """Means over five frames each, over what is left at the end: ``(n, frames, d)`` -> ``(n, steps, d)``."""
    import torch

    return torch.stack([piece.mean(1) for piece in torch.split(states, 5, dim=1)], 1)
