"""Whisper's encoder in torch: the same numbers as CTranslate2's, all layers, and a way back for gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.whisper import WhisperEncoder, WhisperMeans, WhisperOptions


def voice(seconds: float) -> np.ndarray:
    """A buzz whose pitch and loudness wander."""
    time = np.arange(round(seconds * 16000)) / 16000
    pitch = 120 + 30 * np.sin(2 * np.pi * 0.7 * time)
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    sound = sum(np.sin(k * phase) / k for k in range(1, 12)) * (0.55 + 0.45 * np.sin(2 * np.pi * 2.3 * time))
    return np.asarray(0.1 * sound, np.float32)


@pytest.fixture(scope="module")
def encoder(weight: Callable[..., None]) -> WhisperEncoder:
    weight("whisper-base")
    return WhisperEncoder(WhisperOptions(window=5.0))


def test_the_numbers_are_those_of_the_recogniser(weight: Callable[..., None]) -> None:
    weight("whisper-base")
    import ctranslate2

    from merc import weights

    whole = WhisperEncoder()
    spectrogram = np.ascontiguousarray(whole.spectrogram(voice(4.0))[None])
    model = ctranslate2.models.Whisper(
        str(weights.path("whisper-base")), device="cpu", compute_type="float32", intra_threads=1
    )
    theirs = np.array(model.encode(ctranslate2.StorageView.from_array(spectrogram)))[0]
    (ours,) = whole.encode([voice(4.0)])
    assert ours.shape == (200, 7, 512)
    assert np.abs(ours[:, -1] - theirs[:200]).max() < 0.005


def test_a_frame_is_20_ms_and_a_started_one_counts(encoder: WhisperEncoder) -> None:
    whole, short, single = encoder.encode([voice(1.0), voice(0.25), voice(1.0)[:1]])
    assert whole.shape == (50, 7, 512) and whole.dtype == np.float32
    assert len(short) == 13 and len(single) == 1
    assert np.isfinite(whole).all()


def test_a_long_sound_is_encoded_window_by_window(encoder: WhisperEncoder) -> None:
    sound = voice(6.0)
    (whole,) = encoder.encode([sound])
    head, tail = encoder.encode([sound[: 5 * 16000], sound[5 * 16000 :]])
    np.testing.assert_array_equal(whole, np.concatenate([head, tail]))


def test_layer_means_and_int16(encoder: WhisperEncoder) -> None:
    sound = voice(0.5)
    frames = encoder.encode([sound])[0]
    means = WhisperMeans(encoder.options).encode([sound, (sound * 32768).astype(np.int16)])
    assert means.shape == (2, 7, 512) and means.dtype == np.float32
    np.testing.assert_allclose(means[0], frames.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(means[1], means[0], atol=0.05)


def test_twice_the_same_bytes(encoder: WhisperEncoder) -> None:
    assert encoder.encode([voice(0.5)])[0].tobytes() == encoder.encode([voice(0.5)])[0].tobytes()


def test_a_gradient_reaches_the_sound_and_the_weights(encoder: WhisperEncoder) -> None:
    import torch

    mels = torch.from_numpy(encoder.spectrogram(voice(0.5))[None, :, :100]).requires_grad_()
    encoder.network(mels)[:, 3].square().mean().backward()
    assert mels.grad is not None and float(mels.grad.abs().sum()) > 0
    reached = [p.grad is not None and float(p.grad.abs().sum()) > 0 for p in encoder.network.layers[2].parameters()]
    assert all(reached)
    encoder.network.zero_grad(set_to_none=True)


def test_what_it_depends_on(encoder: WhisperEncoder) -> None:
    frames, means = encoder.describe(), WhisperMeans(encoder.options).describe()
    assert frames["window"] == 5.0 and frames["sha256"].startswith("d01c3014")
    assert (frames.pop("output"), means.pop("output")) == ("frames", "mean over frames") and frames == means


@pytest.mark.parametrize("sound", [np.zeros((2, 100), np.float32), np.zeros(100, np.int32), np.zeros(0, np.float32)])
def test_what_is_no_sound(encoder: WhisperEncoder, sound: np.ndarray) -> None:
    with pytest.raises(InputError, match="sound 0 of type .* expected one channel at 16 kHz, int16 or float, of at le"):
        encoder.encode([sound])


@pytest.mark.parametrize(("option", "value"), [("window", 0.5), ("window", 31.0), ("threads", 0)])
def test_options_out_of_range(option: str, value: float) -> None:
    with pytest.raises(InputError, match=f"whisper option {option} is {value}: expected"):
        WhisperOptions(**{option: value})  # type: ignore[arg-type]
