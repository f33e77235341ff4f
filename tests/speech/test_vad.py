from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from merc.errors import InputError
from merc.speech import vad
from merc.speech.vad import FRAME_SECONDS, RATE, VadOptions, detect_speech, regions, speech_probabilities

from .sounds import decoded, signal


@pytest.mark.parametrize("kind", ["silence", "noise", "tone"])
def test_what_is_no_speech_gives_none(kind, weight):
    weight("silero-vad")
    assert detect_speech(signal(kind)) == []


def test_an_empty_recording_has_no_speech(weight):
    weight("silero-vad")
    assert detect_speech(np.zeros(0, np.int16)) == []


def test_real_speech_is_found_where_it_is(data, weight):
    weight("silero-vad")
    samples = decoded(data / "clips" / "jfk.flac")
    quiet = np.zeros(2 * RATE, np.int16)
    found = detect_speech(np.concatenate([quiet, samples, quiet]))
    assert 3 <= len(found) <= 6
    assert 2.2 < found[0].start < 2.45
    assert 12.3 < found[-1].end < 13.1
    assert sum(s.duration for s in found) == pytest.approx(8.1, abs=0.8)
    assert all(a.end < b.start for a, b in pairwise(found))


def test_the_same_bytes_twice_and_from_a_memory_map(data, weight, tmp_path):
    weight("silero-vad")
    samples = decoded(data / "clips" / "jfk.flac")
    np.save(tmp_path / "sound.npy", samples)
    mapped = np.load(tmp_path / "sound.npy", mmap_mode="r")
    assert speech_probabilities(samples).tobytes() == speech_probabilities(mapped).tobytes()


def test_stretches_side_by_side_agree_with_one_long_run(data, weight, monkeypatch):
    weight("silero-vad")
    samples = np.tile(decoded(data / "clips" / "jfk.flac"), 4)
    whole = speech_probabilities(samples)
    monkeypatch.setattr(vad, "_STRETCH", 600)
    parts = speech_probabilities(samples)
    assert len(whole) == len(parts) == -(-len(samples) // vad.FRAME)
    assert np.mean((whole > 0.5) != (parts > 0.5)) < 0.01
    assert np.array_equal(whole[:600], parts[:600])


def test_progress_is_told_in_seconds(weight):
    weight("silero-vad")
    heard = []
    speech_probabilities(signal("silence", 1.5), progress=lambda *told: heard.append(told))
    assert heard == [("speech", pytest.approx(1.5, abs=0.04), 1.5)]


@pytest.mark.parametrize(
    ("samples", "says"),
    [
        (np.zeros(100, np.float32), "type float32: expected 16 kHz mono int16"),
        (np.zeros((2, 100), np.int16), "shape (2, 100)"),
    ],
)
def test_other_samples_are_refused(samples, says):
    with pytest.raises(InputError) as caught:
        detect_speech(samples)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threshold": 0.3, "release": 0.4}, "threshold 0.3 and release 0.4: expected 0 < release <= threshold < 1"),
        ({"padding": -1.0}, "padding is -1.0: expected at least 0 seconds"),
        ({"min_silence": float("nan")}, "min_silence is nan: expected a finite number"),
        ({"threads": 0}, "threads is 0: expected at least 1"),
    ],
)
def test_options_that_cannot_work_are_refused(options, says):
    with pytest.raises(InputError) as caught:
        VadOptions(**options)
    assert says in str(caught.value)


def frames(*runs: tuple[float, int]) -> np.ndarray:
    return np.concatenate([np.full(count, value, np.float32) for value, count in runs])


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([(0.0, 50), (0.9, 20), (0.0, 50)], [(50, 70)]),
        ([(0.0, 50), (0.4, 20), (0.0, 50)], []),  # never reaches the threshold
        ([(0.0, 50), (0.9, 10), (0.4, 10), (0.0, 50)], [(50, 70)]),  # continues above release
        ([(0.0, 50), (0.9, 2), (0.0, 50)], []),  # too short
        ([(0.0, 50), (0.9, 20), (0.0, 5), (0.9, 20), (0.0, 50)], [(50, 95)]),  # a short pause
        ([(0.0, 50), (0.9, 20), (0.0, 15), (0.9, 20), (0.0, 50)], [(50, 70), (85, 105)]),
        ([(0.9, 120)], [(0, 120)]),
    ],
)
def test_probabilities_become_regions(runs, expected):
    probabilities = frames(*runs)
    found = regions(probabilities, len(probabilities) * FRAME_SECONDS, VadOptions(padding=0))
    assert [(round(s.start / FRAME_SECONDS), round(s.end / FRAME_SECONDS)) for s in found] == expected


def test_padding_stays_inside_and_neighbours_meet_half_way():
    probabilities = frames((0.9, 20), (0.0, 15), (0.9, 20))
    duration = len(probabilities) * FRAME_SECONDS
    first, second = regions(probabilities, duration, VadOptions(padding=5))
    assert (first.start, second.end) == (0, duration)
    assert first.end == second.start == pytest.approx(27.5 * FRAME_SECONDS)
