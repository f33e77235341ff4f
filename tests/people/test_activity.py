"""Tracks of voices over a recording: windows agree, digital silence is skipped, memory is flat."""

import tracemalloc

import numpy as np
import pytest
import torch

from merc.conversation import Segment
from merc.errors import InputError
from merc.nn import segmentation
from merc.people import activity


class Levels:
    """Finds voice 1 in sound above 0.1, voice 2 below -0.1, and permutes them from window to window."""

    def __init__(self, *, shuffled=True):
        self.shuffled, self.windows = shuffled, 0

    def to(self, device):
        self.device = device
        return self

    def __call__(self, sound):
        assert sound.device == self.device
        out = torch.zeros(len(sound), segmentation.frame_count(sound.shape[1]), 7)
        for row, wave in zip(out, sound, strict=True):
            level = wave[495 :: segmentation.STEP][: len(row)]
            high, low = (1, 2) if not self.shuffled or self.windows % 2 else (3, 1)
            row[:, 0] = 0.5
            row[level > 0.1, high] = 1
            row[level < -0.1, low] = 1
            self.windows += 1
        return out


@pytest.fixture
def levels(monkeypatch):
    network = Levels()
    monkeypatch.setattr(activity, "_network", lambda device: network.to(torch.device(device)))
    return network


def sound(*parts):
    """(level, seconds) one after another, int16."""
    return np.concatenate([np.full(round(s * 16000), level * 32768, dtype=np.int16) for level, s in parts])


def test_windows_agree_on_who_is_who(levels):
    samples = sound(*[(0.5, 3), (-0.5, 2), (0, 1)] * 8)  # 48 s
    tracks = activity.voice_activity(samples).tracks
    assert len(tracks) == segmentation.frame_count(len(samples))
    times = np.arange(len(tracks)) * activity.FRAME_SECONDS + 495 / 16000
    first = times % 6 < 3
    voice = int(tracks[first].sum(0).argmax())
    assert (tracks[:, voice] == first).mean() > 0.98
    assert tracks.sum(1).max() == 1


def test_windows_of_silence_are_skipped(levels):
    samples = sound((0, 20), (0.5, 4), (0, 36))
    samples[30 * 16000 :: 2] = 1  # dither
    found = activity.voice_activity(samples)
    heard = np.flatnonzero(found.tracks.any(1)) * activity.FRAME_SECONDS
    assert levels.windows == 5
    assert (heard.min(), heard.max()) == pytest.approx((20, 24), abs=0.1)
    assert not activity.voice_activity(np.zeros(160000, np.int16)).tracks.any()


def test_speech_is_what_was_detected_and_what_the_network_is_sure_of():
    heard = activity.Activity(np.zeros((1200, 3), dtype=bool), np.zeros(1200, np.float32))
    for first, last, probability in ((100, 160, 0.9), (300, 360, 0.6), (500, 510, 0.9), (700, 760, 0.9)):
        heard.tracks[first:last, 1] = True
        heard.speech[first:last] = probability
    detected = [Segment(5, 5.5), Segment(12, 13.5)]
    regions = activity.agreed(heard, detected, end=20.0)
    assert [(round(one.start, 1), round(one.end, 1)) for one in regions] == [(1.7, 2.7), (5, 5.5), (11.8, 13.5)]
    assert [one.end for one in activity.agreed(heard, [], end=2.0)] == [2.0]


@pytest.mark.parametrize("samples", [0, 1, 990, 4000, 15999, 16000, 160000, 160001, 163000])
def test_every_length_has_its_frames(levels, samples):
    tracks = activity.voice_activity(np.full(samples, 9000, dtype=np.int16)).tracks
    assert len(tracks) == segmentation.frame_count(max(samples, 16000))
    inside = segmentation.frame_count(samples)
    assert tracks[:inside].sum(1).tolist() == [1] * inside


def test_progress_reaches_the_end(levels):
    heard = []
    activity.voice_activity(sound((0.5, 30)), on_seconds=heard.append)
    assert heard == sorted(heard)
    assert heard[-1] == pytest.approx(30, abs=0.1)


def test_memory_is_flat_in_the_length(levels, tmp_path):
    peaks = []
    for minutes in (5, 20):
        path = tmp_path / f"{minutes}.npy"
        written = np.lib.format.open_memmap(path, "w+", dtype=np.int16, shape=(minutes * 60 * 16000,))
        written[::16000] = 9000
        written.flush()
        tracemalloc.start()
        activity.voice_activity(np.load(path, mmap_mode="r"))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 2e6  # 15 minutes more; as float32 sound they would be 58 MB


def test_runs_and_bridges():
    marked = np.array([0, 1, 1, 0, 1, 0, 0, 0, 1, 0], dtype=bool)
    assert activity.runs(marked) == [(1, 3), (4, 5), (8, 9)]
    assert activity.runs(np.zeros(4, dtype=bool)) == []
    filled = activity.bridged(marked, gap=0.03)
    assert activity.runs(filled) == [(1, 5), (8, 9)]


def test_marks_are_where_the_segments_are():
    marked = activity.mark([Segment(1, 2), Segment(3, 3.5)], 500)
    assert [(activity.seconds(a), activity.seconds(b)) for a, b in activity.runs(marked)] == [
        pytest.approx((1, 2), abs=0.02),
        pytest.approx((3, 3.5), abs=0.02),
    ]
    assert activity.mark([Segment(1, 2)], 500, margin=0.5).sum() == pytest.approx(2 / activity.FRAME_SECONDS, abs=2)


def test_the_network_runs_on_the_device_named(levels):
    activity.voice_activity(sound((0.5, 2)), device="cpu")
    assert levels.device == torch.device("cpu")
    with pytest.raises(InputError, match="device 'cuda:99' is not available"):
        activity.voice_activity(sound((0.5, 2)), device="cuda:99")
