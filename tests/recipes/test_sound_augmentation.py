"""Disturbed copies of sounds: what each disturbance does, and that it is drawn by the seed alone."""

from __future__ import annotations

import numpy as np
import pytest

from merc.recipes import sound_augmentation
from merc.recipes.sound_augmentation import RATE, augmented


def speech(seconds: float = 1.0) -> np.ndarray:
    time = np.arange(int(seconds * RATE)) / RATE
    loud = 0.3 * np.sin(2 * np.pi * 300 * time) + 0.1 * np.sin(2 * np.pi * 6000 * time)
    return np.asarray(loud * (np.sin(2 * np.pi * 2 * time) > 0), np.float32)


@pytest.mark.parametrize("seed", range(8))
def test_a_copy_is_as_long_as_its_sound_differs_from_it_and_follows_the_seed(seed: int) -> None:
    wave = speech()
    made, again = (augmented(wave, np.random.default_rng(seed)) for _ in range(2))
    assert made.shape == wave.shape and made.dtype == np.float32 and np.isfinite(made).all()
    np.testing.assert_array_equal(made, again)
    assert np.abs(made - wave).max() > 1e-3
    assert not np.array_equal(made, augmented(wave, np.random.default_rng(seed + 100)))


def test_noise_is_as_loud_as_drawn() -> None:
    wave = speech()
    for seed in range(5):
        noise = sound_augmentation._noise(wave, np.random.default_rng(seed)) - wave
        ratio = 10 * np.log10((wave**2).mean() / (noise**2).mean())
        assert 4.9 < ratio < 30.1


def test_a_room_sounds_on_where_the_speech_pauses() -> None:
    wave, made = speech(), sound_augmentation._room(speech(), np.random.default_rng(0))
    pause = slice(int(0.26 * RATE), int(0.3 * RATE))
    assert (wave[pause] ** 2).mean() == 0 < (made[pause] ** 2).mean()


def test_the_codec_of_a_telephone_keeps_low_frequencies_only() -> None:
    cut = []
    for seed in range(6):
        made = sound_augmentation._codec(speech(), np.random.default_rng(seed))
        power = np.abs(np.fft.rfft(made)) ** 2
        cut.append(power[5900:6100].sum() / power.sum() < 1e-3)
        assert power[290:310].sum() / power.sum() > 0.5
    assert 0 < sum(cut) < len(cut)


def test_silence_and_no_sound_stay_what_they_are() -> None:
    for seed in range(6):
        assert np.abs(augmented(np.zeros(4000, np.float32), np.random.default_rng(seed))).max() < 1e-3
        assert len(augmented(np.zeros(0, np.float32), np.random.default_rng(seed))) == 0
