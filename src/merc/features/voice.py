"""Speaker embeddings: CAM++ turns the sound of an utterance into 192 numbers that say whose voice it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.features.encoder import Encoder, check_sound
from merc.nn.fbank import HOP, RATE, frame_count
from merc.progress import Progress

if TYPE_CHECKING:
    from torch import Tensor

    from merc.backbones.campplus import CamPlusBackbone

_BATCH = 4  # sounds of equal length that are encoded together: more is hardly faster and takes memory
_TRIM = 10  # frames: lengths are trimmed to tenths of a second, so that many utterances have one length
_LONGEST = 10 * RATE // HOP  # frames beyond which an utterance is encoded in parts: what the network was trained on


class VoiceEncoder(Encoder):
    """CAM++ embeddings of 192 dimensions, not scaled to unit length; arguments as for `Encoder`."""

    name = "campplus"
    modality = "voice"
    input = "sound"
    shape = (192,)
    weights = ("campplus",)
    shortest = 0.4  # the encoder's error rate rises steeply below a second
    summary = "Speaker embedding: trained to tell voices apart, so it holds little of how something is said."

    def describe(self) -> dict[str, Any]:
        """Weight, hash and width."""
        return self._pinned()

    @cached_property
    def _backbone(self) -> CamPlusBackbone:
        from merc.backbones.campplus import CamPlusBackbone

        return CamPlusBackbone.load(device=self.device)

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Encode 16 kHz mono sounds: ``(n, 192)`` float32.

        A sound below 0.12 s is too short: its row is NaN. One above 10 s is encoded in equal parts, and their mean is
        taken.

        Raises:
            InputError: a sound is not one channel of int16 or float samples.
            WeightError: the weight 'campplus' is absent.
        """
        return self._encode(batch, [()] * len(batch), progress)[0]

    def encode_windows(
        self, batch: Sequence[np.ndarray], windows: Sequence[Sequence[tuple[int, int]]]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Encode sounds, and windows of them from the same states: hardly slower than `encode`."""
        return self._encode(batch, windows, None)

    def _encode(
        self,
        batch: Sequence[np.ndarray],
        windows: Sequence[Sequence[tuple[int, int]]],
        progress: Progress | None,
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        from merc.nn.campplus import SHORTEST
        from merc.nn.threads import threads

        lengths = [_frames(sound, number) for number, sound in enumerate(batch)]
        vectors = np.full((len(batch), self.width), np.nan, dtype=np.float32)
        parts = [np.full((len(own), self.width), np.nan, dtype=np.float32) for own in windows]
        done = sum(length < SHORTEST for length in lengths)
        backbone = self._backbone  # loaded outside inference mode
        for places in _batches(lengths, SHORTEST):
            with threads(self.threads):
                vectors[places], states = _encoded(backbone, [batch[place] for place in places], lengths[places[0]])
                for place, own in zip(places, states, strict=True):
                    for number, window in enumerate(windows[place]):
                        parts[place][number] = backbone.pooled(_within(own, window)).cpu().numpy()
            done += len(places)
            if progress:
                progress("voice", done, len(batch))
        return vectors, parts


def _encoded(backbone: CamPlusBackbone, sounds: Sequence[np.ndarray], length: int) -> tuple[np.ndarray, Tensor]:
    """Encode sounds that are all trimmed to one length in frames: vectors, and states ``(sounds, 512, states)``."""
    import torch

    from merc.nn.fbank import fbank

    parts = -(-length // _LONGEST)
    bins = torch.stack([fbank(sound)[: length // parts * parts] for sound in sounds])  # (batch, frames, 80)
    bins = bins.reshape(len(sounds) * parts, -1, bins.shape[-1])
    states = [backbone.states(backbone.centred(piece)) for piece in torch.split(bins, _BATCH)]
    vectors = torch.cat([backbone.pooled(piece) for piece in states])
    mean: np.ndarray = vectors.reshape(len(sounds), parts, -1).mean(1).cpu().numpy()
    joined = torch.cat(states)  # (batch * parts, 512, states)
    return mean, joined.reshape(len(sounds), parts, *joined.shape[1:]).transpose(1, 2).flatten(2)


def _within(states: Tensor, window: tuple[int, int]) -> Tensor:
    """The states of a window of samples, at least one: ``(1, 512, states)`` of ``(512, states)``."""
    count = states.shape[-1]
    first = min(window[0] // (2 * HOP), count - 1)
    return states[None, :, first : max(first + 1, min(count, -(-window[1] // (2 * HOP))))]


def _frames(sound: np.ndarray, number: int) -> int:
    """How many frames of a sound are encoded."""
    check_sound(sound, number)
    return frame_count(len(sound)) // _TRIM * _TRIM


def _batches(lengths: Sequence[int], shortest: int) -> Iterator[list[int]]:
    """Indices of sounds of equal length, a few at a time; those too short are in none."""
    by_length: dict[int, list[int]] = {}
    for index, length in enumerate(lengths):
        if length >= shortest:
            by_length.setdefault(length, []).append(index)
    for length in sorted(by_length):
        for first in range(0, len(by_length[length]), _BATCH):
            yield by_length[length][first : first + _BATCH]
