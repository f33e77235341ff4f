"""Sounds for the tests of speech: made ones, and real files decoded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from merc.speech.vad import RATE


def decoded(path: Path) -> np.ndarray:
    import av

    resampler = av.AudioResampler("s16", "mono", RATE)
    with av.open(str(path)) as container:
        frames = [f for frame in container.decode(audio=0) for f in resampler.resample(frame)]
    return np.concatenate([f.to_ndarray()[0] for f in [*frames, *resampler.resample(None)]])


def signal(kind: str, seconds: float = 4.0) -> np.ndarray:
    times = np.arange(int(seconds * RATE)) / RATE
    wave = {
        "silence": np.zeros_like(times),
        "noise": np.random.default_rng(0).normal(0, 0.05, len(times)),
        "tone": 0.3 * np.sin(2 * np.pi * 440 * times),
    }[kind]
    return (wave * 32767).astype(np.int16)
