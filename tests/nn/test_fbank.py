"""Filter banks: frames, what a tone does, scales."""

import numpy as np
import pytest

from merc.nn.fbank import BINS, fbank, frame_count


def tone(hertz, seconds=0.5):
    return np.sin(2 * np.pi * hertz * np.arange(int(16000 * seconds)) / 16000).astype(np.float32) * 0.3


@pytest.mark.parametrize(("samples", "frames"), [(0, 0), (399, 0), (400, 1), (559, 1), (560, 2), (16000, 98)])
def test_frames_lie_whole_in_the_sound(samples, frames):
    assert frame_count(samples) == frames
    assert fbank(np.zeros(samples, dtype=np.float32)).shape == (frames, BINS)


def test_a_tone_sounds_in_its_mel_bin():
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), BINS + 2)
    for hertz in (300, 1000, 4000):
        loudest = int(fbank(tone(hertz)).mean(0).argmax())
        assert edges[loudest] < 1127 * np.log1p(hertz / 700) < edges[loudest + 2]


def test_int16_and_float_are_the_same_sound():
    sound = tone(440)
    whole = (sound * 32768).astype(np.int16)
    np.testing.assert_allclose(fbank(whole), fbank(whole.astype(np.float32) / 32768), atol=1e-5)


def test_loudness_shifts_every_bin_alike_and_silence_is_the_floor():
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32)
    np.testing.assert_allclose(fbank(2 * noise) - fbank(noise), np.log(4), atol=1e-3)
    np.testing.assert_allclose(fbank(np.zeros(400, np.float32)), np.log(np.finfo(np.float32).eps), atol=1e-5)


def test_values_follow_the_definition():
    sound = np.random.default_rng(1).normal(0, 0.1, 400)
    frame = sound - sound.mean()
    frame = frame - 0.97 * np.concatenate([frame[:1], frame[:-1]])
    window = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 399)) ** 0.85
    power = np.abs(np.fft.rfft(frame * window, 512)) ** 2
    mel = 1127 * np.log1p(np.arange(256) * 31.25 / 700)
    edges = np.linspace(1127 * np.log1p(20 / 700), 1127 * np.log1p(8000 / 700), 82)
    expected = [np.log((power[:256] * np.interp(mel, edges[b : b + 3], [0, 1, 0])).sum()) for b in range(BINS)]
    np.testing.assert_allclose(fbank(sound.astype(np.float32))[0], expected, atol=1e-3)
