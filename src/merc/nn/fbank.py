"""Log-mel filter banks as in Kaldi, the input of speaker encoders."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

RATE = 16000
BINS = 80
FRAME = 400
"""Samples in a frame: 25 ms."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""

_FFT = 512
_PREEMPHASIS = 0.97
_LOWEST = 20.0
_FLOOR = float(np.finfo(np.float32).eps)


def frame_count(samples: int) -> int:
    """Number of complete frames in a number of samples; 0 below 25 ms.

    Example:
        >>> frame_count(400), frame_count(16000)
        (1, 98)
    """
    return max(0, 1 + (samples - FRAME) // HOP)


def fbank(samples: np.ndarray) -> torch.Tensor:
    """Log-mel energies.

    Kaldi's ``compute-fbank-feats`` without dither: complete frames of 25 ms every 10 ms, mean removal per frame,
    pre-emphasis .97, Povey window, power spectrum of 512 points, triangular filters on Kaldi's mel scale from 20 Hz to
    8 kHz. Energies are those of floats in [-1, 1), floored at the epsilon of float32; energies of int16 would differ by
    a constant above the floor, which mean subtraction removes.

    Args:
        samples: ``(n,)`` mono at 16 kHz, int16 or float in [-1, 1).

    Returns:
        ``(frames, 80)``.
    """
    import torch

    wave = torch.from_numpy(np.array(samples, dtype=np.float32))
    if samples.dtype == np.int16:
        wave /= 32768
    if len(wave) < FRAME:
        return torch.zeros(0, BINS, device=wave.device)
    frames = wave.unfold(0, FRAME, HOP)  # (frames, 400)
    frames = frames - frames.mean(1, keepdim=True)
    before = torch.cat([frames[:, :1], frames[:, :-1]], 1)
    frames = (frames - _PREEMPHASIS * before) * torch.from_numpy(_window())
    power = torch.fft.rfft(frames, _FFT).abs().square()  # (frames, 257)
    energies: torch.Tensor = power @ torch.from_numpy(_triangles())  # (frames, 80)
    return energies.clamp_min(_FLOOR).log()


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Povey's window: a Hann window to the power of .85."""
    window: np.ndarray = np.hanning(FRAME) ** 0.85
    return window.astype(np.float32)


@lru_cache(maxsize=1)
def _triangles() -> np.ndarray:
    """Weights ``(257, 80)`` of spectrum points in mel bins; triangles overlap by half on the mel axis."""

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)

    edges = np.linspace(mel(_LOWEST), mel(RATE / 2), BINS + 2)
    points = mel(np.arange(_FFT // 2 + 1) * RATE / _FFT)[:, None]
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    weights: np.ndarray = np.clip(np.minimum(rising, falling), 0, None)
    weights[-1] = 0  # Kaldi omits the Nyquist frequency
    return weights.astype(np.float32)
