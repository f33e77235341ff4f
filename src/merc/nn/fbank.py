"""Log-mel filter banks as in Kaldi, the input of speaker encoders."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from merc.runtime.inputs import RATE
from merc.runtime.spectra import BINS, FFT, FLOOR, FRAME, HOP, PREEMPHASIS, frame_count, kaldi_filters

if TYPE_CHECKING:
    import torch

__all__ = ["BINS", "FRAME", "HOP", "RATE", "fbank", "frame_count"]


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

    Example:
        >>> fbank(np.zeros(16000, np.float32)).shape
        torch.Size([98, 80])
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
    frames = (frames - PREEMPHASIS * before) * torch.from_numpy(_window())
    power = torch.fft.rfft(frames, FFT).abs().square()  # (frames, 257)
    energies: torch.Tensor = power @ torch.from_numpy(kaldi_filters())  # (frames, 80)
    return energies.clamp_min(FLOOR).log()


@lru_cache(maxsize=1)
def _window() -> np.ndarray:
    """Povey's window: a Hann window to the power of .85."""
    window: np.ndarray = np.hanning(FRAME) ** 0.85
    return window.astype(np.float32)
