"""Sound augmentation: room, noise, level and codec, so that a head trained on studio speech meets other recordings.

Room: exponentially decaying noise as impulse response. Noise: coloured, from white to brown. Level: gain with clipping.
Codec: Opus at a low bit rate, or the telephone's band.
"""

from __future__ import annotations

import io

import numpy as np

RATE = 16_000
SHARE = 0.5
"""Probability of each disturbance; where none is drawn, noise is added, so that no copy equals its original."""

_REVERBERATION = (0.15, 0.7)  # seconds until the room has decayed by 60 dB
_DIRECT = (0.0, 12.0)  # dB of the direct sound above the room's
_NOISE = (5.0, 30.0)  # dB of speech above noise
_COLOUR = (0.0, 2.0)  # power falls with frequency to this exponent: 0 white, 1 pink, 2 brown
_GAIN = (-20.0, 12.0)  # dB; what exceeds full scale is clipped
_BITS = (0.9, 1.0)  # libsndfile's compression level of Opus: from about 30 to 6 kbit/s
_TELEPHONE = 8000


def augmented(wave: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A disturbed copy of a sound.

    Args:
        wave: ``(samples,)`` mono at 16 kHz, float in [-1, 1).
        random: What draws the disturbances; the same state gives the same copy.

    Returns:
        ``(samples,)`` float32 of the same length.
    """
    drawn = random.random(4) < SHARE
    if not drawn.any():
        drawn[1] = True
    made = np.asarray(wave, np.float32)
    for step, applies in zip((_room, _noise, _level, _codec), drawn, strict=True):
        if applies and len(made):
            made = step(made, random)
    return np.asarray(made, np.float32)


def _room(wave: np.ndarray, random: np.random.Generator) -> np.ndarray:
    from scipy.signal import fftconvolve

    seconds = random.uniform(*_REVERBERATION)
    time = np.arange(int(seconds * RATE)) / RATE
    tail = random.standard_normal(len(time)) * 10.0 ** (-3 * time / seconds)
    tail *= 10 ** (-random.uniform(*_DIRECT) / 20) / np.sqrt((tail**2).sum())
    tail[0] += 1.0
    return np.asarray(fftconvolve(wave, tail)[: len(wave)])


def _noise(wave: np.ndarray, random: np.random.Generator) -> np.ndarray:
    spectrum = np.fft.rfft(random.standard_normal(len(wave)))
    frequency = np.maximum(np.fft.rfftfreq(len(wave), 1 / RATE), 50.0)  # Hz; level below, as microphones cut there
    noise = np.fft.irfft(spectrum * frequency ** (-random.uniform(*_COLOUR) / 2), len(wave))
    power = float((noise**2).mean())
    wanted = float((wave**2).mean()) * 10 ** (-random.uniform(*_NOISE) / 10)
    return wave + noise * np.sqrt(wanted / power) if power > 0 else wave


def _level(wave: np.ndarray, random: np.random.Generator) -> np.ndarray:
    peak = float(np.abs(wave).max())
    gain = 10 ** (random.uniform(*_GAIN) / 20) / peak if peak > 0 else 1.0
    return np.clip(wave * gain, -1, 1)


def _codec(wave: np.ndarray, random: np.random.Generator) -> np.ndarray:
    import soundfile
    import soxr

    rate = _TELEPHONE if random.random() < SHARE else RATE
    there = wave if rate == RATE else soxr.resample(wave, RATE, rate)
    file = io.BytesIO()
    level = random.uniform(*_BITS)
    soundfile.write(file, np.clip(there, -1, 1), rate, format="OGG", subtype="OPUS", compression_level=level)
    file.seek(0)
    back, found = soundfile.read(file, dtype="float32")
    back = back if found == RATE else soxr.resample(back, found, RATE)
    return np.pad(back[: len(wave)], (0, max(0, len(wave) - len(back))))
