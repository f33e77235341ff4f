"""A voice that is masked: most words stay intelligible, pitch and timbre of the person are gone.

A noise vocoder: of each 32 ms only the energies in a few bands are kept, moved up or down in frequency, and given to
noise. Pitch, voice quality and fine structure are not in the result, so they cannot be computed from it.
"""

from __future__ import annotations

import math

import numpy as np

RATE = 16000
FRAME, HOP = 512, 128
BANDS = 20
"""Bands of equal width in mel: fewer hide more of the person and of the words."""
SHIFTS = (0.14, 0.24)
"""Least and largest share by which frequencies are moved, up or down."""
_LOWEST, _HIGHEST = 80.0, 7600.0
_BLOCK = 4000  # frames of 8 ms that are masked at a time: half a minute


def masked(samples: np.ndarray, *, seed: int | None = None) -> np.ndarray:
    """Mask the voices of a recording.

    Args:
        samples: 16 kHz mono int16, ``(samples,)``, an array or a memory map.
        seed: Of the shift and the noise, for tests; None: secret, so that nobody can repeat them.

    Returns:
        As many samples, int16, as loud as before in each frame.
    """
    rng = np.random.default_rng(seed)
    shift = 1 + rng.uniform(*SHIFTS) * rng.choice([-1, 1])
    made = np.zeros(len(samples) + FRAME, np.float32)
    count = -(-len(samples) // HOP) + 1
    for first in range(0, count, _BLOCK):
        frames = np.arange(first, min(count, first + _BLOCK))
        begin = int(frames[0]) * HOP - FRAME // 2  # frames are centred on multiples of the hop
        sound = _cut(samples, begin, begin + (len(frames) - 1) * HOP + FRAME)
        own = _vocoded(sound, rng, shift)
        start = max(0, begin)
        length = min(len(own) - (start - begin), len(made) - start)
        made[start : start + length] += own[start - begin :][:length]
    return made[: len(samples)].clip(-32768, 32767).astype(np.int16)


def _cut(samples: np.ndarray, begin: int, end: int) -> np.ndarray:
    """Samples as float32, zeros where there are none."""
    sound = np.zeros(end - begin, np.float32)
    part = samples[max(0, begin) : max(0, end)]
    sound[max(0, -begin) : max(0, -begin) + len(part)] = part
    return sound


def _vocoded(sound: np.ndarray, rng: np.random.Generator, shift: float) -> np.ndarray:
    """The frames of a sound with noise for their fine structure, added up where they overlap."""
    window = np.hanning(FRAME + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME)[::HOP] * window
    power = np.abs(np.fft.rfft(frames)) ** 2  # (frames, bins)
    noise = np.fft.rfft(rng.standard_normal(frames.shape).astype(np.float32))
    bands, energies = _bands(), power @ _bands().T  # (frames, bands)
    moved = _moved(energies, shift)
    gain = np.sqrt(moved / np.maximum(bands.sum(1), 1e-9)) @ (bands / np.maximum(bands.sum(0), 1e-9))
    made = np.fft.irfft(noise * gain, FRAME).astype(np.float32)
    loud = np.sqrt((frames**2).sum(1) / np.maximum((made**2).sum(1), 1e-9))
    made *= loud[:, None] * window / 0.75  # as loud as before: frames of noise add up in energy, not in amplitude
    result = np.zeros(len(sound), np.float32)
    for number, frame in enumerate(made):
        result[number * HOP : number * HOP + FRAME] += frame
    return result


def _mel() -> np.ndarray:
    """The edges of the bands in mel: ``(bands + 2,)``."""
    lowest, highest = (2595 * math.log10(1 + hertz / 700) for hertz in (_LOWEST, _HIGHEST))
    return np.linspace(lowest, highest, BANDS + 2)


def _hertz(mel: np.ndarray) -> np.ndarray:
    hertz: np.ndarray = 700 * (10 ** (mel / 2595) - 1)
    return hertz


def _bands() -> np.ndarray:
    """Triangles that are equally wide in mel: ``(bands, bins)``."""
    edges = _hertz(_mel())
    bins = np.fft.rfftfreq(FRAME, 1 / RATE)
    rise = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    fall = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    bands: np.ndarray = np.minimum(rise, fall).clip(0)
    return bands


def _moved(energies: np.ndarray, shift: float) -> np.ndarray:
    """The energies ``(frames, bands)`` of a voice whose frequencies are multiplied by ``shift``."""
    middles = _mel()[1:-1]
    places = np.interp(2595 * np.log10(1 + _hertz(middles) / shift / 700), middles, np.arange(BANDS))
    low = np.floor(places).astype(int).clip(0, BANDS - 2)
    part = places - low
    moved: np.ndarray = energies[:, low] * (1 - part) + energies[:, low + 1] * part
    return moved
