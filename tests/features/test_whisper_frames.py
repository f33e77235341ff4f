"""Frames of Whisper's encoder: their number and layers, sounds at their own length, and what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from merc.errors import InputError
from merc.features.whisper_frames import FiftyHertz, TenHertz, _tenths


def buzz(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * 16000)) / 16000
    return np.asarray(0.1 * np.sin(2 * np.pi * 200 * time) * (1 + np.sin(2 * np.pi * 3 * time)), np.float32)


@pytest.fixture(scope="module")
def ten(weight: Callable[..., None]) -> TenHertz:
    weight("whisper-base")
    return TenHertz()


@pytest.fixture(scope="module")
def fifty(ten: TenHertz) -> FiftyHertz:
    made = FiftyHertz()
    made.__dict__["_backbone"] = ten._backbone
    return made


def test_tenths_are_means_of_five_frames_and_of_what_is_left() -> None:
    states = torch.arange(12.0).view(1, 12, 1).expand(2, 12, 1)
    assert _tenths(states)[0].flatten().tolist() == [2.0, 7.0, 10.5]


def test_both_rates_are_those_of_the_layers_of_the_network(ten: TenHertz, fifty: FiftyHertz) -> None:
    sound = buzz(1.03)
    (tenths,), (frames,) = ten.encode([sound]), fifty.encode([sound])
    assert tenths.shape == (11, 7, 512) and frames.shape == (52, 512) and tenths.dtype == frames.dtype == np.float32
    network = ten._backbone.network
    with torch.inference_mode():
        mels = torch.from_numpy(ten._backbone.spectrogram(sound))[None].to(next(network.parameters()).dtype)
        states = network(mels)[0].float().numpy()[:, :52]  # (7, frames, 512)
    np.testing.assert_allclose(tenths[3], states[:, 15:20].mean(1), atol=1e-4)
    np.testing.assert_allclose(tenths[10], states[:, 50:].mean(1), atol=1e-4)
    np.testing.assert_allclose(frames, states[1:6].mean(0), atol=1e-4)


def test_a_short_sound_has_the_frames_it_started_and_a_long_one_those_of_its_windows(
    ten: TenHertz, fifty: FiftyHertz
) -> None:
    assert len(fifty.encode([buzz(0.05)])[0]) == 3 and len(ten.encode([buzz(0.05)])[0]) == 1
    long = np.tile(buzz(1.0), 31)
    (whole,) = fifty.encode([long])
    head, tail = fifty.encode([long[: 30 * 16000], long[30 * 16000 :]])
    np.testing.assert_array_equal(whole, np.concatenate([head, tail]))
    seen: list[tuple[str, float, float]] = []
    fifty.encode([buzz(0.1)], progress=lambda *step: seen.append(step))
    assert seen == [("speech frames", 1, 1)]


def test_what_it_depends_on_and_what_it_refuses() -> None:
    ten, fifty = TenHertz().describe(), FiftyHertz().describe()
    assert ten["encoder"] == fifty["encoder"] == "whisper-base" and ten["output"] != fifty["output"]
    assert (ten["shape"], fifty["shape"]) == ([7, 512], [512])
    for encoder in (TenHertz, FiftyHertz):
        assert encoder.sequence and encoder.half


def test_an_empty_sound_is_refused(ten: TenHertz) -> None:
    with pytest.raises(InputError, match="sound 0 of type float32, shape .0,.: expected one channel at 16 kHz"):
        ten.encode([np.zeros(0, np.float32)])
