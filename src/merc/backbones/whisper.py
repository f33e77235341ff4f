"""The encoder of Whisper base: sound at 16 kHz to the states of its seven levels every 20 ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones.backbone import Backbone, Inputs, States
from merc.errors import InputError
from merc.nn.device import resolve
from merc.nn.whisper import MELS, POSITIONS, STATES, WIDTH

RATE = 16_000
FRAME = 320
"""Samples of one frame: 20 ms."""
LONGEST = POSITIONS * FRAME
"""Samples that the network reads at once: thirty seconds."""
SHAPE = (STATES, WIDTH)


@dataclass(frozen=True, slots=True)
class Mels(Inputs):
    """Log-mel spectrograms ``(B, 80, 2 × frames)``, and ``frames (B,)`` int64 that are sound and not padding."""

    values: Tensor
    frames: Tensor


class WhisperBackbone(Backbone[np.ndarray]):
    """Whisper's encoder behind the contract of backbones; make it with `load`.

    The network has no padding mask: in a batch of different lengths the states of a shorter sound depend on how far it
    is padded. Encode sounds one at a time, or of one length, where that matters.

    Args:
        network: The encoder.
        mels: What makes a log-mel spectrogram of a sound.
        sha256: Hash of the weights.
    """

    name = "whisper-base"
    adapted = ("attention_in", "attention_out", "widen", "narrow")

    def __init__(self, network: nn.Module, mels: Any, *, sha256: str = "") -> None:
        super().__init__(network, sha256=sha256)
        self._mels = mels

    @classmethod
    def load(cls, *, device: str = "cpu") -> WhisperBackbone:
        """The pretrained network; raises WeightError when it is absent, InputError for a device that is not there."""
        from faster_whisper.feature_extractor import FeatureExtractor

        from merc.nn import whisper
        from merc.weights import WEIGHTS

        made = cls(whisper.load(), FeatureExtractor(), sha256=WEIGHTS[cls.name].sha256)
        return made.to(resolve(device)).eval()

    def prepare(self, raw: Sequence[np.ndarray], *, samples: int = 0) -> Mels:
        """Spectrograms of sounds, float in [-1, 1), at most thirty seconds each.

        Args:
            raw: The sounds.
            samples: Length to which all are padded with silence (default: whole frames of the longest).

        Raises:
            InputError: a sound is longer than thirty seconds.
        """
        longest = max((len(sound) for sound in raw), default=0)
        if longest > LONGEST:
            raise InputError(f"a sound of {longest / RATE:.1f} s: expected at most {LONGEST // RATE} s; cut it first")
        length = max(samples, -(-longest // FRAME) * FRAME)
        values = [self.spectrogram(np.pad(sound, (0, length - len(sound)))) for sound in raw]
        made = np.stack(values) if values else np.zeros((0, MELS, 2 * length // FRAME), np.float32)
        counts = np.array([-(-len(sound) // FRAME) for sound in raw], np.int64)
        return Mels(torch.from_numpy(made), torch.from_numpy(counts))

    def spectrogram(self, wave: np.ndarray) -> np.ndarray:
        """The log-mel spectrogram of a sound, not padded: float32 (80, hundredths of a second)."""
        return np.asarray(self._mels(wave, padding=0), np.float32)

    def forward(self, inputs: Mels) -> States:
        """States of frames: values ``(B, frames, 7, 512)``."""
        own = inputs.to(self.device)
        values: Tensor = self.network(own.values).transpose(1, 2)  # (B, frames, 7, 512)
        steps = torch.arange(values.shape[1], device=values.device)
        return States(values, steps < own.frames[:, None])

    def layers(self) -> Sequence[nn.Module]:
        """The transformer layers."""
        found: Any = self.network
        return list(found.layers)
