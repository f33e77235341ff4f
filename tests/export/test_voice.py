"""Masked voices: as long and as loud as before, without pitch, and never twice the same."""

from __future__ import annotations

import numpy as np
import pytest

from merc.export import voice
from merc.export.voice import HOP, RATE, masked


def vowel(pitch: float, seconds: float = 1.0) -> np.ndarray:
    """Harmonics of a pitch, as a voice has them."""
    at = np.arange(round(seconds * RATE)) / RATE
    made = sum(np.sin(2 * np.pi * pitch * k * at) / k for k in range(1, 20))
    return (made * 5000).astype(np.int16)


def pitch_strength(samples: np.ndarray, pitch: float) -> float:
    """The autocorrelation at the period of a pitch."""
    sound = samples.astype(float)
    lag = round(RATE / pitch)
    return float((sound[lag:] * sound[:-lag]).sum() / (sound**2).sum())


def test_the_pitch_is_gone_and_the_loudness_stays() -> None:
    sound = vowel(120)
    made = masked(sound, seed=0)
    assert len(made) == len(sound) and made.dtype == np.int16
    assert pitch_strength(sound, 120) > 0.9 and abs(pitch_strength(made, 120)) < 0.3
    assert made.std() == pytest.approx(sound.std(), rel=0.15)


def test_silence_stays_silent_and_speech_stays_in_its_place() -> None:
    sound = np.concatenate([np.zeros(RATE, np.int16), vowel(200), np.zeros(RATE, np.int16)])
    made = masked(sound, seed=0)
    assert np.abs(made[: RATE - 600]).max() == 0 and np.abs(made[2 * RATE + 600 :]).max() == 0
    assert made[RATE : 2 * RATE].std() > 1000


def test_a_seed_gives_the_same_and_none_another_each_time() -> None:
    sound = vowel(120, 0.2)
    assert (masked(sound, seed=3) == masked(sound, seed=3)).all()
    assert (masked(sound) != masked(sound)).any()


def test_long_recordings_are_masked_in_blocks_without_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    sound = np.tile(vowel(120), 3)
    monkeypatch.setattr(voice, "_BLOCK", 50)
    made = masked(sound, seed=0).astype(float)
    level = np.sqrt((made[: len(made) // HOP * HOP].reshape(-1, HOP) ** 2).mean(1))[4:-4]
    assert level.min() > 0.3 * level.mean()


def test_frequencies_move_with_the_shift() -> None:
    energies = np.zeros((1, voice.BANDS))
    energies[0, 10] = 1
    up, down = voice._moved(energies, 1.2), voice._moved(energies, 0.8)
    assert up[0].argmax() > 10 > down[0].argmax()


def test_nothing_is_masked_of_nothing() -> None:
    assert len(masked(np.zeros(0, np.int16))) == 0
