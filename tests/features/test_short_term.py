"""34 short-term descriptors: their count, known sounds, and what a window is."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.encoder import ENCODERS
from merc.features.short_term import NAMES, RATE, descriptors

SECOND = np.arange(RATE) / RATE


def by_name(sound: np.ndarray, window: int = 1) -> dict[str, float]:
    return dict(zip(NAMES, descriptors(sound)[window].tolist(), strict=True))


def tone(hertz: float, level: float = 0.5) -> np.ndarray:
    return level * np.sin(2 * np.pi * hertz * SECOND + 0.1)


def test_there_are_thirty_four_for_each_window_of_a_fifth_of_a_second_every_tenth() -> None:
    assert len(NAMES) == len(set(NAMES)) == 34
    encoder = ENCODERS["short-term"]()
    sounds = [tone(200)[: int(seconds * RATE)].astype(np.float32) for seconds in (0.19, 0.2, 0.29, 0.3, 1.0)]
    found = encoder.encode(sounds)
    assert [one.shape for one in found] == [(1, 34), (1, 34), (1, 34), (2, 34), (9, 34)]
    assert np.isnan(found[0]).all() and all(np.isfinite(one).all() for one in found[1:])
    np.testing.assert_array_equal(found[4][3], descriptors(sounds[4][3 * RATE // 10 : RATE // 2])[0])  # but for flux
    with pytest.raises(InputError, match=r"sound 0 of type float32, shape \(2, 2\): expected one channel"):
        encoder.encode([np.zeros((2, 2), np.float32)])


def test_a_tone_is_where_it_is() -> None:
    found = by_name(tone(440))
    assert found["zero crossings"] == pytest.approx(2 * 440 / RATE, abs=1e-3)
    assert found["energy"] == pytest.approx(0.125, rel=1e-3)
    assert found["entropy of energy"] == pytest.approx(np.log2(10), abs=1e-3)  # even over the ten tenths
    assert found["spectral centroid"] == pytest.approx(440 / 8000, abs=2e-3)
    assert found["spectral rolloff"] == pytest.approx(440 / 8000, abs=2e-3)
    assert found["chroma A"] == pytest.approx(1, abs=1e-3) and found["spectral flux"] == pytest.approx(0, abs=1e-9)
    assert found["chroma deviation"] == pytest.approx(np.std([1] + [0] * 11), abs=1e-3)
    assert by_name(tone(880))["chroma A"] == pytest.approx(1, abs=1e-3)  # an octave higher is the same note
    assert by_name(tone(523.25))["chroma C"] > 0.9


def test_noise_is_wide_and_a_click_is_uneven() -> None:
    noise = np.random.default_rng(0).normal(size=RATE) * 0.1
    click = np.zeros(RATE)
    click[RATE // 10 + 100] = 1.0
    wide, narrow, uneven = by_name(noise), by_name(tone(440)), by_name(click, window=0)
    assert wide["spectral spread"] > 0.2 > narrow["spectral spread"]
    assert wide["spectral entropy"] > 3 and narrow["spectral entropy"] < 0.1
    assert uneven["entropy of energy"] == pytest.approx(0, abs=1e-3)
    assert wide["spectral flux"] > narrow["spectral flux"]


def test_flux_is_felt_where_the_sound_changes() -> None:
    flux = descriptors(np.concatenate([tone(300), tone(2000)]))[:, NAMES.index("spectral flux")]
    assert flux.argmax() in (9, 10) and flux[5] < 1e-6 < 0.1 < flux.max()


def test_level_moves_the_first_coefficient_alone() -> None:
    noise = np.random.default_rng(0).normal(size=RATE)
    loud, soft = (descriptors(level * noise)[2, 8:21] for level in (0.2, 0.02))
    assert loud[0] - soft[0] == pytest.approx(np.sqrt(40), rel=1e-2)  # a decade in each of 40 bands
    np.testing.assert_allclose(loud[1:], soft[1:], atol=0.05)
