"""eGeMAPS: an extra that says how it is installed, and 88 numbers a sound where it is."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from merc.errors import InputError, MissingExtra
from merc.features.prosody import ProsodyEncoder


class Smile:
    """Stands in for openSMILE: gives back length and loudness of the sound, 88 numbers in all."""

    feature_names = tuple(f"feature {n}" for n in range(88))

    def __init__(self, **options: object) -> None:
        assert options == {"feature_set": "egemaps", "feature_level": "functionals", "num_workers": 1}

    def __call__(self, sound: np.ndarray, rate: int) -> np.ndarray:
        assert rate == 16000 and sound.dtype == np.float32
        return np.concatenate([[len(sound), np.abs(sound).max()], np.zeros(86)]).reshape(1, 88, 1)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ProsodyEncoder:
    module = SimpleNamespace(
        Smile=Smile,
        FeatureSet=SimpleNamespace(eGeMAPSv02="egemaps"),
        FeatureLevel=SimpleNamespace(Functionals="functionals"),
        __version__="0.0",
    )
    monkeypatch.setitem(sys.modules, "opensmile", module)
    return ProsodyEncoder()


def test_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opensmile", None)
    with pytest.raises(MissingExtra, match=r"research licence.*not installed: pip install 'merc\[prosody\]'"):
        ProsodyEncoder().describe()


def test_sounds_in_either_kind_and_too_short_ones(made_up: ProsodyEncoder) -> None:
    sound = 0.5 * np.sin(np.arange(3200) / 10).astype(np.float32)
    told: list[tuple[str, float, float]] = []
    values = made_up.encode(
        [sound, (sound * 32768).astype(np.int16), sound[:1599]], progress=lambda *step: told.append(step)
    )
    assert values.shape == (3, 88) and values.dtype == np.float32
    assert values[0, 0] == 3200
    np.testing.assert_allclose(values[1], values[0], atol=1e-3)
    assert np.isnan(values[2]).all()
    assert told[-1] == ("prosody", 3, 3)


def test_what_it_depends_on(made_up: ProsodyEncoder) -> None:
    assert made_up.describe() == {"encoder": "egemaps", "opensmile": "0.0", "set": "eGeMAPSv02", "width": 88}
    assert len(made_up.names) == 88


def test_what_is_no_sound(made_up: ProsodyEncoder) -> None:
    with pytest.raises(InputError, match="sound 0 of type float32, shape .2, 9.: expected one channel at 16 kHz"):
        made_up.encode([np.zeros((2, 9), np.float32)])


def test_the_real_one_hears_pitch() -> None:
    pytest.importorskip("opensmile", reason="the extra 'prosody' is not installed")
    encoder = ProsodyEncoder()
    time = np.arange(16000) / 16000
    buzz = [sum(np.sin(2 * np.pi * k * f * time) / k for k in range(1, 15)) * 0.1 for f in (110.0, 220.0)]
    low, high = encoder.encode([np.asarray(sound, np.float32) for sound in buzz])
    assert encoder.names[0] == "F0semitoneFrom27.5Hz_sma3nz_amean"
    assert high[0] - low[0] == pytest.approx(12, abs=0.3)  # an octave in semitones
