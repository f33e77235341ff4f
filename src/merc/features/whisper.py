"""Hidden states of Whisper's encoder: 7 layers of 512 numbers every 20 ms, or their means over an utterance.

No self-supervised speech model ships in a package, so the encoder of the speech recogniser is used instead. Use a
learned sum of its layers, not the last: early layers encode the voice, late ones the words.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.errors import InputError
from merc.features.encoder import Encoder, as_float, check_sound
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import nn

    from merc.backbones.whisper import WhisperBackbone

RATE = 16_000
FRAME = 320
"""Samples of one frame: 20 ms."""


@dataclass(frozen=True, slots=True)
class WhisperOptions:
    """How sounds are fed to the encoder; raises InputError out of range."""

    window: float = 30.0
    """Seconds that the encoder reads at once, padded with silence: it was trained with 30. Less is faster in
    proportion, and further from what it was trained with."""
    threads: int = 1
    """CPU threads for torch; one is fastest where other processes run as well."""

    def __post_init__(self) -> None:
        if not 1 <= self.window <= 30:
            raise InputError(f"whisper option window is {self.window}: expected 1 to 30 seconds")
        if self.threads < 1:
            raise InputError(f"whisper option threads is {self.threads}: expected 1 or more")


class _WhisperStates(Encoder):
    """What both encoders share: the network, and the states of a sound window by window."""

    modality = "voice"
    input = "sound"
    shape = (7, 512)
    weights = ("whisper-base",)
    output: str

    def __init__(
        self, options: WhisperOptions | None = None, *, device: str = "cpu", threads: int | None = None
    ) -> None:
        self.options = options or WhisperOptions()
        super().__init__(device=device, threads=self.options.threads if threads is None else threads)
        self._samples = math.ceil(self.options.window * RATE / FRAME) * FRAME

    def describe(self) -> dict[str, Any]:
        """Weight, hash, shape, window and output."""
        found = self._pinned(shape=list(self.shape), window=self.options.window, output=self.output)
        return {name: value for name, value in found.items() if name != "width"}

    @cached_property
    def _backbone(self) -> WhisperBackbone:
        from merc.backbones.whisper import WhisperBackbone

        return WhisperBackbone.load(device=self.device)

    @property
    def network(self) -> nn.Module:
        """The torch module, for gradients."""
        return self._backbone.network

    def spectrogram(self, sound: np.ndarray) -> np.ndarray:
        """The log-mel spectrogram of at most one window of sound, padded with silence: float32 (80, frames × 2)."""
        return self._backbone.spectrogram(np.pad(sound, (0, self._samples - len(sound))))

    def _frames(self, sound: np.ndarray) -> np.ndarray:
        """States of all frames of a sound: ``(frames, 7, 512)`` float32."""
        from merc.nn.threads import threads

        parts, backbone = [], self._backbone  # loaded outside inference mode, for gradients
        for part in self._windows(as_float(sound)):
            with threads(self.threads):
                states = backbone(backbone.prepare([part], samples=self._samples))
            parts.append(states.values[0].cpu().numpy())
        return np.concatenate(parts)[: -(-len(sound) // FRAME)]

    def _windows(self, wave: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(wave), self._samples):
            yield wave[start : start + self._samples]


class WhisperEncoder(_WhisperStates):
    """Frames of Whisper base's encoder.

    Args:
        options: Window and threads.
        device: Where it runs; see `merc.nn.device.resolve`.
        threads: CPU threads for torch instead of those of the options.
    """

    name = "whisper-base-frames"
    sequence = True
    half = True
    output = "frames"
    summary = "Hidden states of 7 layers for each frame of 20 ms: 360 kB per second in a store."

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Hidden states of 16 kHz mono sounds: ``(frames, 7, 512)`` float32 each.

        A frame is 20 ms; a started one counts. A sound longer than the window is encoded window by window.

        Raises:
            InputError: a sound is empty or not one channel of int16 or float samples.
            WeightError: the weight 'whisper-base' is absent.
        """
        states = []
        for number, sound in enumerate(batch):
            check_sound(sound, number, empty=False)
            states.append(self._frames(sound))
            if progress:
                progress("whisper", number + 1, len(batch))
        return states


class WhisperMeans(_WhisperStates):
    """The mean over its frames of each layer; arguments as for `WhisperEncoder`."""

    name = "whisper-base"
    pooled_from = "whisper-base-frames"
    output = "mean over frames"
    summary = "Mean over an utterance of each of the encoder's 7 hidden layers."

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """The mean of each layer of 16 kHz mono sounds: ``(n, 7, 512)`` float32; errors as for `WhisperEncoder`."""
        means = np.empty((len(batch), *self.shape), np.float32)
        for number, sound in enumerate(batch):
            check_sound(sound, number, empty=False)
            means[number] = self.pool(self._frames(sound))
            if progress:
                progress("whisper", number + 1, len(batch))
        return means

    def pool(self, rows: np.ndarray) -> np.ndarray:
        """The mean over frames ``(frames, 7, 512)``."""
        return np.asarray(rows.mean(axis=0, dtype=np.float64), np.float32)
