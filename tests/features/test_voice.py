"""The voice encoder: rows in order, what is too short, long sounds in parts, batch mates."""

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.encoder import Encoder
from merc.features.voice import VoiceEncoder


@pytest.fixture(scope="module")
def encoder(weight):
    weight("campplus")
    return VoiceEncoder()


def noise(seconds, seed=0):
    return (np.random.default_rng(seed).normal(0, 0.1, int(seconds * 16000)) * 32768).astype(np.int16)


def test_fewer_than_one_thread_is_refused():
    with pytest.raises(InputError, match="encoder 'campplus': threads is 0, expected 1 or more"):
        VoiceEncoder(threads=0)


@pytest.mark.parametrize("sound", [np.zeros((2, 16000), np.int16), np.zeros(16000, np.int32)])
def test_a_sound_of_another_kind_is_named(encoder, sound):
    with pytest.raises(InputError, match=r"sound 1 of type int.*expected one channel at 16 kHz, int16 or float"):
        encoder.encode([noise(1), sound])


def test_rows_stand_in_order_and_do_not_depend_on_batch_mates(encoder):
    sounds = [noise(1.03, 1), noise(0.5, 2), noise(1.04, 3), noise(0.01, 4), noise(2, 5)]
    together = encoder.encode(sounds)
    assert together.shape == (5, encoder.width)
    assert together.dtype == np.float32
    assert np.isnan(together).any(1).tolist() == [False, False, False, True, False]
    for row, sound in zip(together, sounds, strict=True):
        np.testing.assert_allclose(encoder.encode([sound])[0], row, rtol=1e-3, atol=1e-3)


def test_nothing_gives_no_rows(encoder):
    assert encoder.encode([]).shape == (0, 192)


def test_int16_and_float_are_the_same_voice(encoder):
    sound = noise(1)
    one, two = encoder.encode([sound, sound.astype(np.float32) / 32768])
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-3)


def test_a_long_sound_is_the_mean_of_its_parts(encoder):
    sound = noise(15.015)  # 1500 frames: two parts of 750
    mean = encoder.encode([sound[: 749 * 160 + 400], sound[750 * 160 :]]).mean(0)
    whole = encoder.encode([sound])[0]
    assert whole @ mean / np.linalg.norm(whole) / np.linalg.norm(mean) > 0.999


def test_windows_come_from_the_states_of_the_sound_and_do_not_change_its_vector(encoder):
    sounds = [noise(2.04, 1), noise(0.05, 2), np.concatenate([noise(6, 3), noise(6, 4) // 20])]
    whole = [(0, len(sound)) for sound in sounds]
    windows = [[whole[0], (0, 16000), (16000, 99999)], [whole[1]], [(0, 6 * 16000), (6 * 16000, 12 * 16000)]]
    vectors, parts = encoder.encode_windows(sounds, windows)
    np.testing.assert_array_equal(vectors, encoder.encode(sounds))
    assert [part.shape for part in parts] == [(3, 192), (1, 192), (2, 192)]
    np.testing.assert_allclose(parts[0][0], vectors[0], rtol=1e-3, atol=1e-3)
    assert np.isnan(parts[1]).all() and np.isfinite(parts[0]).all()
    assert np.linalg.norm(parts[2][0] - parts[2][1]) > 0.1 * np.linalg.norm(parts[2][0])


def test_an_encoder_that_does_not_share_states_encodes_each_window(encoder):
    sounds = [noise(1.5, 1), noise(1, 2)]
    vectors, parts = Encoder.encode_windows(encoder, sounds, [[(0, 16000), (8000, 24000)], []])
    np.testing.assert_array_equal(vectors, encoder.encode(sounds))
    np.testing.assert_allclose(parts[0], encoder.encode([sounds[0][:16000], sounds[0][8000:]]), rtol=1e-3, atol=1e-3)
    assert parts[1].shape == (0, 192)


def test_progress_counts_every_sound(encoder):
    told = []
    encoder.encode([noise(0.5), noise(0.7), noise(0.01)], progress=lambda *values: told.append(values))
    assert told[-1] == ("voice", 3, 3)


def test_the_same_voice_is_nearer(encoder, data):
    import soundfile

    folder = data / "audio" / "ravdess"
    names = [f"03-01-{take}-01-{actor}.opus" for actor in ("01", "12") for take in ("01-01-01", "02-01-02")]
    vectors = encoder.encode([soundfile.read(folder / name, dtype="float32")[0] for name in names])
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    assert min(alike[0, 1], alike[2, 3]) > max(alike[0, 2], alike[0, 3], alike[1, 2], alike[1, 3]) + 0.1
