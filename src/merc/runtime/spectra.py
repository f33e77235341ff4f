"""Log-mel spectra in numpy, as the speech encoders read them: those of Whisper, and Kaldi's filter banks for CAM++.

The numbers are those of ``faster_whisper.feature_extractor`` and of ``merc.nn.fbank``, to the rounding of float32.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from merc.runtime.inputs import RATE

BINS = 80
"""Mel bins of both kinds of spectra."""
FRAME, HOP = 400, 160
"""Samples of a frame, 25 ms, and from one to the next, 10 ms."""

FFT, PREEMPHASIS, FLOOR = 512, 0.97, float(np.finfo(np.float32).eps)
"""Of Kaldi's filter banks: points of a spectrum, the share of the sample before, and the least energy."""

_LOWEST = 20.0


def log_mels(wave: np.ndarray) -> np.ndarray:
    """Whisper's log-mel spectrogram of a sound, not padded.

    Args:
        wave: ``(samples,)`` float32 in [-1, 1) at 16 kHz, more than 200.

    Returns:
        ``(80, hundredths of a second)`` float32.
    """
    padded = np.pad(np.asarray(wave, np.float32), FRAME // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:-1]
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    power = np.abs(np.fft.rfft(frames * window, axis=1).astype(np.complex64)) ** 2  # (frames, 201)
    logs = np.log10(np.maximum(_whisper_filters() @ power.T, 1e-10))
    return np.asarray((np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0, np.float32)


@lru_cache(maxsize=1)
def _whisper_filters() -> np.ndarray:
    """Weights ``(80, 201)`` of spectrum points in bins of Slaney's mel scale, each triangle of one area."""
    mels = np.linspace(0.0, 45.245640471924965, BINS + 2)  # up to 8 kHz
    hertz = np.where(mels < 15, 200 / 3 * mels, 1000 * np.exp(np.log(6.4) / 27 * (mels - 15)))
    points = np.fft.rfftfreq(FRAME, 1 / RATE)
    rising = (points - hertz[:-2, None]) / np.diff(hertz)[:-1, None]
    falling = (hertz[2:, None] - points) / np.diff(hertz)[1:, None]
    weights = np.maximum(0, np.minimum(rising, falling)) * (2 / (hertz[2:] - hertz[:-2]))[:, None]
    return np.asarray(weights, np.float32)


def frame_count(samples: int) -> int:
    """Number of complete frames of 25 ms, one every 10 ms.

    Args:
        samples: How many there are, at 16 kHz.

    Returns:
        0 below 25 ms.

    Example:
        >>> frame_count(16000), frame_count(399)
        (98, 0)
    """
    return max(0, 1 + (samples - FRAME) // HOP)


def filter_banks(wave: np.ndarray) -> np.ndarray:
    """Kaldi's log-mel energies without dither; see ``merc.nn.fbank.fbank``.

    Args:
        wave: ``(samples,)`` float32 in [-1, 1) at 16 kHz.

    Returns:
        ``(frames, 80)`` float32.
    """
    if len(wave) < FRAME:
        return np.zeros((0, BINS), np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(np.asarray(wave, np.float32), FRAME)[::HOP]
    frames = frames - frames.mean(1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], 1)
    shaped = (frames - np.float32(PREEMPHASIS) * before) * (np.hanning(FRAME) ** 0.85).astype(np.float32)
    power = np.abs(np.fft.rfft(shaped, FFT, axis=1).astype(np.complex64)) ** 2  # (frames, 257)
    return np.asarray(np.log(np.maximum(power @ kaldi_filters(), np.float32(FLOOR))), np.float32)


@lru_cache(maxsize=1)
def kaldi_filters() -> np.ndarray:
    """Weights ``(257, 80)`` of spectrum points in mel bins; triangles overlap by half on the mel axis."""

    def mel(hertz: np.ndarray | float) -> np.ndarray:
        return 1127.0 * np.log1p(np.asarray(hertz, dtype=np.float64) / 700.0)

    edges = np.linspace(mel(_LOWEST), mel(RATE / 2), BINS + 2)
    points = mel(np.arange(FFT // 2 + 1) * RATE / FFT)[:, None]
    rising = (points - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - points) / (edges[2:] - edges[1:-1])
    weights: np.ndarray = np.clip(np.minimum(rising, falling), 0, None)
    weights[-1] = 0  # Kaldi omits the Nyquist frequency
    return weights.astype(np.float32)
