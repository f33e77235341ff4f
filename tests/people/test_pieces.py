"""Pieces: cut where the voice changes and where they are long, and pooled where their voice is alone."""

import numpy as np
import pytest
import torch
from torch import nn

from merc.people import activity
from merc.people.pieces import DIMENSION, STATE, Piece, Read, changes, pieces

RATE = 16000


class Encoder(nn.Module):
    """An encoder whose states are the mel bins, with a part that all voices have in common."""

    def __init__(self):
        super().__init__()
        self.register_buffer("place", torch.zeros(1))
        self.seconds = []

    def states(self, bins):
        self.seconds.append(bins.shape[1] / 100)
        states = torch.zeros(1, 512, bins.shape[1] // 2)
        states[:, :80] = bins[:, : bins.shape[1] // 2 * 2 : 2].transpose(1, 2)
        states[:, 100] = 1.0
        return states

    def projected(self, statistics):
        return torch.cat([statistics[:, :128], statistics[:, 512:576]], 1)  # means and deviations


def bins_of(*voices):
    """Mel bins of voices (a number of a bin) that follow one another, seconds each."""
    rows = np.zeros((sum(round(seconds * 100) for _, seconds in voices), 80), np.float32)
    begin = 0
    for voice, seconds in voices:
        rows[begin : begin + round(seconds * 100), voice] = 5.0
        begin += round(seconds * 100)
    return torch.from_numpy(rows)


def read(*voices, alone=None):
    bins = bins_of(*voices)
    frames = round(len(bins) / 100 / activity.FRAME_SECONDS)
    alone = np.ones(frames, bool) if alone is None else alone(frames)
    return Read(Encoder(), bins, Piece(0, frames, 0), alone)


@pytest.mark.parametrize(("first", "second"), [(2.0, 2.0), (0.6, 3.0), (3.0, 0.6)])
def test_a_stretch_is_cut_where_the_voice_changes(first, second):
    (place,) = changes(read((3, first), (40, second)))
    assert place * STATE == pytest.approx(first, abs=0.06)


def test_one_voice_is_not_cut_and_three_are_cut_twice():
    assert changes(read((3, 4.0))) == []
    assert [round(place * STATE, 1) for place in sorted(changes(read((3, 2.0), (40, 2.0), (60, 2.0))))] == [2.0, 4.0]


@pytest.mark.parametrize("seconds", [0.1, 0.7])
def test_a_stretch_too_short_to_compare_is_not_cut(seconds):
    assert changes(read((3, seconds / 2), (40, seconds / 2))) == []


def test_changes_are_not_closer_than_half_a_second():
    found = changes(read((3, 2.0), (40, 0.3), (3, 2.0)))
    assert np.diff(sorted(found)).min(initial=99) * STATE >= 0.5


def test_a_vector_is_of_the_means_and_deviations_of_its_states():
    torch.manual_seed(0)
    network, bins = Encoder(), torch.randn(200, 80)
    one = Read(network, bins, Piece(0, 118, 0), np.ones(118, bool))
    states = network.states((bins - bins.mean(0))[None])[0, :, 20:70]
    wanted = network.projected(torch.cat([states.mean(1), states.std(1)])[None])[0].numpy()
    (made,) = one.vectors(np.array([20]), np.array([70]))
    np.testing.assert_allclose(made, wanted / np.linalg.norm(wanted), atol=1e-5)


def test_a_vector_of_one_state_is_finite():
    assert np.isfinite(read((3, 1.0)).vectors(np.array([0]), np.array([1]))).all()


def test_where_another_voice_sounds_too_is_not_pooled_unless_little_else_is_there():
    alone = read((3, 2.0), (40, 2.0))
    half = read((3, 2.0), (40, 2.0), alone=lambda frames: np.arange(frames) < frames // 2)
    none = read((3, 2.0), (40, 2.0), alone=lambda frames: np.zeros(frames, bool))
    first, whole = (np.array([0]), np.array([100])), (np.array([0]), np.array([200]))
    np.testing.assert_allclose(half.vectors(*whole), alone.vectors(*first), atol=0.02)
    np.testing.assert_allclose(none.vectors(*whole), alone.vectors(*whole), atol=1e-6)
    assert half.alone(*whole) == pytest.approx(2.0, abs=0.05)


def test_the_voice_of_an_overlap_is_no_change():
    assert changes(read((3, 2.0), (40, 2.0), alone=lambda frames: np.arange(frames) < frames // 2)) == []


@pytest.fixture
def encoder(monkeypatch):
    made = Encoder()
    monkeypatch.setattr("merc.people.pieces._network", lambda device: made)
    return made


def cut(tracks, *, longest=3.0, shortest=0.15, report=None):
    samples = np.random.default_rng(0).integers(-3000, 3000, round(len(tracks) * 270), dtype=np.int16)
    return pieces(samples, tracks, longest=longest, shortest=shortest, report=report)


def test_long_stretches_are_cut_and_short_ones_dropped(encoder):
    tracks = np.zeros((1000, 3), dtype=bool)
    tracks[0:400, 0] = True  # 6.75 s, of which 6.5 s alone: three pieces
    tracks[380:395, 1] = True  # 0.25 s, within the other's
    tracks[600:605, 2] = True  # 0.08 s: nobody
    found, vectors = cut(tracks)
    assert [piece.track for piece in found] == [0, 0, 0, 1]
    assert [piece.end - piece.start for piece in found] == pytest.approx([128, 128, 144, 15], abs=2)
    assert (found[0].start, found[2].end) == (0, 400)
    assert [piece.start for piece in found[1:3]] == [piece.end for piece in found[:2]]
    assert vectors.shape == (4, DIMENSION)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_what_is_read_at_once_is_limited_and_the_progress_is_told(encoder):
    tracks = np.zeros((1600, 2), dtype=bool)
    tracks[:1500, 0] = tracks[1550:, 1] = True  # 25.3 s and 0.8 s
    told = []
    found, _ = cut(tracks, longest=60.0, report=told.append)
    assert encoder.seconds == pytest.approx([8.4, 8.4, 8.4, 0.8], abs=0.11)
    assert told == [0.25, 0.5, 0.75, 1.0]
    assert [(piece.start, piece.end) for piece in found] == [(0, 500), (500, 1000), (1000, 1500), (1550, 1600)]


def test_pieces_are_in_order_of_time(encoder):
    tracks = np.zeros((600, 2), dtype=bool)
    tracks[300:500, 0] = tracks[100:350, 1] = True
    found, _ = cut(tracks, longest=9.0)
    assert [(piece.start, piece.track) for piece in found] == [(100, 1), (300, 0)]
    assert found[0].middle == pytest.approx(225 * activity.FRAME_SECONDS)


def test_what_is_too_short_for_the_encoder_has_no_vector(encoder):
    tracks = np.zeros((100, 1), dtype=bool)
    tracks[10:14] = True  # 0.07 s
    found, vectors = cut(tracks, shortest=0.0)
    assert [(piece.start, piece.end) for piece in found] == [(10, 14)]
    assert not vectors.any()


def test_nobody_speaks():
    found, vectors = cut(np.zeros((100, 3), dtype=bool))
    assert (found, vectors.shape) == ([], (0, DIMENSION))


def test_two_actors_in_one_stretch_are_told_apart(data, weight):
    weight("campplus")
    import soundfile

    sounds = []
    for actor in ("01", "12"):
        sound, _ = soundfile.read(data / "audio" / "ravdess" / f"03-01-01-01-01-01-{actor}.opus", dtype="float32")
        loud = np.flatnonzero(np.abs(sound) > 0.05 * np.abs(sound).max())
        sounds.append(sound[loud[0] : loud[-1]])
    samples = (np.concatenate(sounds) * 32767).astype(np.int16)
    tracks = np.ones((len(samples) // 270, 1), dtype=bool)
    found, vectors = pieces(samples, tracks, longest=5.0, shortest=0.15)
    join = len(sounds[0]) / RATE
    assert min(abs(activity.seconds(piece.end) - join) for piece in found[:-1]) < 0.2
    assert vectors[0] @ vectors[-1] < 0.4
