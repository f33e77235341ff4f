from __future__ import annotations

import numpy as np
import pytest

from merc.nn.fbank import fbank
from merc.runtime.spectra import filter_banks, frame_count, log_mels

RANDOM = np.random.default_rng(0)


def sound(samples: int) -> np.ndarray:
    """Noise that swells, with a tone."""
    time = np.arange(samples) / 16_000
    wave = 0.1 * RANDOM.normal(size=samples) * time / (time[-1] or 1) + 0.3 * np.sin(2 * np.pi * 220 * time)
    return wave.astype(np.float32)


@pytest.mark.parametrize("samples", [3200, 16_001, 79_999])
def test_log_mels_are_those_of_faster_whisper(samples: int) -> None:
    from faster_whisper.feature_extractor import FeatureExtractor

    wave = sound(samples)
    wanted = FeatureExtractor()(wave, padding=0)
    found = log_mels(wave)
    assert found.dtype == np.float32 and found.shape == (80, samples // 160) == wanted.shape
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("samples", [400, 16_000, 50_123])
def test_filter_banks_are_those_of_the_speaker_encoder(samples: int) -> None:
    wave = sound(samples)
    found = filter_banks(wave)
    assert found.shape == (frame_count(samples), 80)
    np.testing.assert_allclose(found, fbank(wave).numpy(), atol=1e-3, rtol=1e-4)


def test_what_is_shorter_than_a_frame_has_none() -> None:
    assert filter_banks(sound(399)).shape == (0, 80) and frame_count(399) == 0
    assert (frame_count(400), frame_count(16_000)) == (1, 98)
