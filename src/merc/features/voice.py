"""How it is said and by whom: CAM++ turns the sound of an utterance into 192 numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from merc.errors import InputError
from merc.nn.fbank import HOP, RATE, frame_count
from merc.progress import Progress

_BATCH = 4  # sounds of equal length that are encoded together: more is hardly faster and takes memory
_TRIM = 10  # frames: lengths are trimmed to tenths of a second, so that many utterances have one length
_WHOLE = 10 * RATE // HOP  # frames beyond which an utterance is encoded in parts: what the network was trained on


class VoiceEncoder:
    """Encodes utterances with CAM++ (192-d, trained to tell speakers apart); weights are loaded when it is made.

    Raises WeightError when the weight ``campplus`` is absent and InputError for fewer than one thread.
    """

    name = "campplus"
    dimension = 192

    def __init__(self, *, threads: int = 1) -> None:
        if threads < 1:
            raise InputError(f"threads {threads}: expected 1 or more")
        from merc.nn import campplus

        self.threads = threads
        self._network = campplus.load()

    def encode(self, sounds: Sequence[np.ndarray], *, progress: Progress | None = None) -> np.ndarray:
        """Encode 16 kHz mono sounds, each int16 or float in [-1, 1): ``(n, 192)`` float32, not scaled to unit length.

        The result of one sound does not depend on the others. One below 0.12 s is too short to encode: its row is
        NaN. One above 10 s is encoded in equal parts, of which the mean counts. ``progress`` hears
        ``("voice", done, total)`` in sounds. Raises InputError for a sound that is not one channel of numbers.
        """
        from merc.nn.campplus import DIMENSION, SHORTEST
        from merc.nn.threads import threads

        lengths = [_frames(sound, number) for number, sound in enumerate(sounds)]
        vectors = np.full((len(sounds), DIMENSION), np.nan, dtype=np.float32)
        done = sum(length < SHORTEST for length in lengths)
        with threads(self.threads):
            for batch in _batches(lengths, SHORTEST):
                vectors[batch] = self._encode([sounds[i] for i in batch], lengths[batch[0]])
                done += len(batch)
                if progress:
                    progress("voice", done, len(sounds))
        return vectors

    def _encode(self, sounds: Sequence[np.ndarray], length: int) -> np.ndarray:
        """Encode sounds that are all trimmed to one length in frames."""
        import torch

        from merc.nn.fbank import fbank

        parts = -(-length // _WHOLE)
        bins = torch.stack([fbank(sound)[: length // parts * parts] for sound in sounds])  # (batch, frames, 80)
        bins = bins.reshape(len(sounds) * parts, -1, bins.shape[-1])
        vectors = torch.cat([self._network(piece - piece.mean(1, keepdim=True)) for piece in torch.split(bins, _BATCH)])
        mean: np.ndarray = vectors.reshape(len(sounds), parts, -1).mean(1).numpy()
        return mean


def _frames(sound: np.ndarray, number: int) -> int:
    """How many frames of a sound are encoded."""
    if sound.ndim != 1 or not (sound.dtype == np.int16 or np.issubdtype(sound.dtype, np.floating)):
        raise InputError(
            f"sound {number} of type {sound.dtype}, shape {sound.shape}: expected one channel at 16 kHz, int16 or float"
        )
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
