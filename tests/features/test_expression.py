"""Statistics of Whisper's layers: their place in the vector, and what is cut or padded."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.expression import LAYERS, WIDTH, ExpressionEncoder, MiddleEncoder


@pytest.fixture(scope="module")
def encoder(weight) -> ExpressionEncoder:
    weight("whisper-base")
    return ExpressionEncoder()


def buzz(seconds: float) -> np.ndarray:
    time = np.arange(round(seconds * 16000)) / 16000
    return np.asarray(0.1 * np.sin(2 * np.pi * 200 * time) * (1 + np.sin(2 * np.pi * 3 * time)), np.float32)


def test_each_layer_has_its_mean_then_its_deviation(encoder: ExpressionEncoder) -> None:
    sound = buzz(1.0)
    (vector,) = encoder.encode([sound])
    assert vector.shape == (WIDTH,) and vector.dtype == np.float32
    states = encoder._backbone(encoder._backbone.prepare([sound])).values[0].detach().numpy()  # (frames, 7, 512)
    parts = vector.reshape(7, 2, 512)
    np.testing.assert_allclose(parts[:, 0], states.mean(0), atol=1e-3)
    np.testing.assert_allclose(parts[:, 1], states.std(0), atol=1e-3)


def test_a_short_sound_is_padded_and_both_kinds_are_read(encoder: ExpressionEncoder) -> None:
    short = buzz(0.05)
    padded = np.pad(short, (0, 3200 - len(short)))
    one, two, whole = encoder.encode([short, padded, (padded * 32768).astype(np.int16)])
    np.testing.assert_array_equal(one, two)
    assert one @ whole / np.linalg.norm(one) / np.linalg.norm(whole) > 0.999


def test_what_it_depends_on_and_what_it_refuses(encoder: ExpressionEncoder) -> None:
    assert encoder.describe()["encoder"] == "whisper-base" and encoder.describe()["width"] == WIDTH
    with pytest.raises(InputError, match="sound 0 of type int32, shape .9,.: expected one channel at 16 kHz, int16 or"):
        encoder.encode([np.zeros(9, np.int32)])


@pytest.fixture(scope="module")
def middle(weight) -> MiddleEncoder:
    weight("whisper-base")
    return MiddleEncoder()


def test_the_middle_states_are_those_of_the_whole_network(encoder: ExpressionEncoder, middle: MiddleEncoder) -> None:
    sound = buzz(1.0)
    whole = encoder.encode([sound])[0].reshape(7, 2, 512)[1 : LAYERS + 1]
    own = middle.encode([sound])[0].reshape(LAYERS, 2, 512)
    assert np.corrcoef(own.ravel(), whole.ravel())[0, 1] > 0.98  # bfloat16 where it is native


def test_windows_are_pooled_from_the_states_of_the_whole(middle: MiddleEncoder) -> None:
    sound, other = buzz(1.0), buzz(0.7)
    vectors, parts = middle.encode_windows([sound, other], [[(0, 16000), (8000, 16000)], []])
    np.testing.assert_array_equal(vectors, middle.encode([sound, other]))
    np.testing.assert_array_equal(vectors[1], middle.encode([other])[0])
    np.testing.assert_array_equal(parts[0][0], vectors[0].astype(np.float16))
    assert [len(own) for own in parts] == [2, 0] and np.abs(parts[0][1] - vectors[0]).max() > 0
    states = middle._states(sound)
    np.testing.assert_allclose(parts[0][1][:512], states[0, 25:].mean(0).detach().numpy(), atol=1e-2)
