"""Short-term descriptors of sound: 34 numbers for each window of 0.2 s, every 0.1 s.

As in pyAudioAnalysis (Giannakopoulos 2015, PLoS ONE 10(12): e0144610), whose windows of 0.2 s Tripathi et al. 2018
(arXiv 1804.05788) take: zero crossings, energy and its entropy; centroid, spread, entropy, flux and rolloff of the
magnitude spectrum; 13 mel-frequency cepstral coefficients; 12 chroma shares and their standard deviation.

Here written with numpy, since that package needs five others; magnitudes are of the first half of an FFT over the
window, without a taper, as there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from scipy.fft import dct, rfft

from merc.features.encoder import Encoder, as_float, check_sound
from merc.progress import Progress

RATE = 16_000
WINDOW, HOP = RATE // 5, RATE // 10
"""Samples of a window and from one to the next."""
_BINS = WINDOW // 2
_TINY = 1e-8
_BLOCKS = 10  # of the entropies
_ROLLOFF = 0.9  # share of the spectral energy
_CEPSTRAL, _LINEAR, _LOGARITHMIC = 13, 13, 27  # coefficients, and mel filters of both kinds
NAMES = (
    *("zero crossings", "energy", "entropy of energy"),
    *("spectral centroid", "spectral spread", "spectral entropy", "spectral flux", "spectral rolloff"),
    *(f"MFCC {number}" for number in range(1, _CEPSTRAL + 1)),
    *(f"chroma {note}" for note in ("A", "A#", "B", "C", "C#", "D", "D#", "E", "F", "F#", "G", "G#")),
    "chroma deviation",
)
"""What each of the 34 numbers is, in order."""


class ShortTermEncoder(Encoder):
    """34 descriptors of each window of 0.2 s; arguments as for `Encoder`."""

    name = "short-term"
    modality = "voice"
    input = "sound"
    shape = (len(NAMES),)
    sequence = True
    shortest = WINDOW / RATE
    summary = "34 short-term descriptors (energy, spectrum, MFCC, chroma) of windows of 0.2 s, every 0.1 s."

    @property
    def licence(self) -> str:
        """There are no weights."""
        return "no weights"

    def describe(self) -> dict[str, Any]:
        """Name, window and hop: there are no weights."""
        return {"encoder": self.name, "shape": [len(NAMES)], "window": WINDOW, "hop": HOP, "rate": RATE}

    def encode(self, batch: Sequence[np.ndarray], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Describe 16 kHz mono sounds: ``(windows, 34)`` float32 each; one window of NaN for a sound below 0.2 s.

        Raises:
            InputError: a sound is not one channel of int16 or float samples.
        """
        found = []
        for number, sound in enumerate(batch):
            check_sound(sound, number)
            short = len(sound) < WINDOW
            found.append(np.full((1, len(NAMES)), np.nan, np.float32) if short else descriptors(as_float(sound)))
            if progress:
                progress("descriptors", number + 1, len(batch))
        return found


def descriptors(sound: np.ndarray) -> np.ndarray:
    """The 34 numbers of each window: ``(samples,)`` in [-1, 1) to ``(windows, 34)`` float32, by ``NAMES``."""
    frames = np.lib.stride_tricks.sliding_window_view(sound.astype(np.float64), WINDOW)[::HOP]  # (n, WINDOW)
    magnitude = np.abs(rfft(frames)[:, :_BINS]) / _BINS  # (n, BINS)
    return np.hstack([_of_time(frames), _of_spectrum(magnitude), _cepstrum(magnitude), _chroma(magnitude)]).astype(
        np.float32
    )


def _of_time(frames: np.ndarray) -> np.ndarray:
    """Sign changes per sample, mean energy, and the entropy of its distribution over tenths: ``(n, 3)``."""
    crossings = np.abs(np.diff(np.sign(frames), axis=1)).sum(1) / 2 / (WINDOW - 1)
    return np.stack([crossings, np.square(frames).mean(1), _entropy(frames)], 1)


def _entropy(values: np.ndarray) -> np.ndarray:
    """Entropy in bits of the energy of ``values (n, d)`` over ten blocks: ``(n,)``."""
    energy = np.square(values)
    shares = energy.reshape(len(values), _BLOCKS, -1).sum(2) / (energy.sum(1, keepdims=True) + _TINY)
    return np.asarray(-(shares * np.log2(shares + _TINY)).sum(1))


def _of_spectrum(magnitude: np.ndarray) -> np.ndarray:
    """Centroid and spread as shares of half the rate, entropy, flux, rolloff as a share of the bins: ``(n, 5)``."""
    place = np.arange(1, _BINS + 1) / _BINS
    weight = magnitude / (magnitude.max(1, keepdims=True) + _TINY)
    total = weight.sum(1) + _TINY
    centroid = (weight * place).sum(1) / total
    spread = np.sqrt((weight * np.square(place - centroid[:, None])).sum(1) / total)
    unit = magnitude / (magnitude.sum(1, keepdims=True) + _TINY)
    flux = np.square(np.diff(unit, axis=0, prepend=unit[:1])).sum(1)
    energy = np.square(magnitude).cumsum(1)
    rolloff = (energy < _ROLLOFF * energy[:, -1:]).sum(1) / _BINS
    return np.stack([centroid, spread, _entropy(magnitude), flux, rolloff], 1)


def _cepstrum(magnitude: np.ndarray) -> np.ndarray:
    """The first 13 coefficients of the logarithm of 40 mel bands: ``(n, 13)``."""
    return np.asarray(dct(np.log10(magnitude @ _mel_filters().T + _TINY), norm="ortho")[:, :_CEPSTRAL])


@cache
def _mel_filters() -> np.ndarray:
    """Triangles of equal area, 13 at even and 27 at logarithmic distances (Slaney 1998): ``(40, BINS)``."""
    linear = 400 / 3 + np.arange(_LINEAR) * 200 / 3  # Hz
    steps = np.arange(1, _LOGARITHMIC + 3)
    edges = np.concatenate([linear, linear[-1] * 1.0711703**steps])  # 42 of them
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    hertz = np.arange(_BINS) * RATE / WINDOW
    rise, fall = (hertz - low) / (middle - low), (high - hertz) / (high - middle)
    return np.asarray(np.minimum(rise, fall).clip(0) * 2 / (high - low))


def _chroma(magnitude: np.ndarray) -> np.ndarray:
    """Share of the energy at each of the 12 notes of all octaves, from A, and their deviation: ``(n, 13)``."""
    hertz = np.arange(1, _BINS) * RATE / WINDOW  # without the bin of 0 Hz
    note = np.round(12 * np.log2(hertz / 27.5)).astype(int) % 12
    energy = np.square(magnitude[:, 1:])
    shares = energy @ (note[:, None] == np.arange(12)) / (energy.sum(1, keepdims=True) + _TINY)
    return np.hstack([shares, shares.std(1, keepdims=True)])
