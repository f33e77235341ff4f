"""Tracks and people of made-up faces, and the mean of their embeddings."""

from __future__ import annotations

import numpy as np
import pytest

from merc.people.tracks import follow, group, means


def unit(*angles: float) -> np.ndarray:
    """Embeddings in a plane: the cosine of two is that of the difference of their angles in degrees."""
    radians = np.radians(angles)
    return np.pad(np.stack([np.cos(radians), np.sin(radians)], axis=1), ((0, 0), (0, 510))).astype(np.float32)


BOX = [0.4, 0.2, 0.6, 0.6]
FAR = [0.0, 0.0, 0.1, 0.2]


@pytest.mark.parametrize(
    ("times", "boxes", "angles", "expected"),
    [
        ([0, 1, 2], [BOX, BOX, BOX], [0, 20, 40], [0, 0, 0]),  # one face that stays
        ([0, 1], [BOX, FAR], [0, 30], [0, 0]),  # moved, but the likeness is .87
        ([0, 1], [BOX, FAR], [0, 60], [0, 1]),  # moved, and not alike
        ([0, 1], [BOX, BOX], [0, 80], [0, 1]),  # a cut: same place, another face
        ([0, 5], [BOX, BOX], [0, 0], [0, 1]),  # not seen for too long
        ([0, 0, 1, 1], [BOX, FAR, FAR, BOX], [0, 90, 90, 0], [0, 1, 1, 0]),  # two at once, in any order
    ],
)
def test_follow(times, boxes, angles, expected):
    uncut = np.zeros((len(times), 2), bool)
    tracks = follow(np.array(times, float), np.array(boxes, float), unit(*angles), uncut, gap=1.6)
    assert tracks.tolist() == expected


@pytest.mark.parametrize(
    ("angle", "cut", "expected"),
    [
        (70, [[0, 0], [0, 0]], [0, 0]),
        (70, [[1, 0], [0, 1]], [0, 0]),  # before the one and after the other
        (70, [[0, 1], [0, 0]], [0, 1]),
        (70, [[0, 0], [1, 0]], [0, 1]),
        (40, [[0, 1], [1, 0]], [0, 0]),  # alike enough, wherever it is
    ],
)
def test_a_cut_ends_a_track_unless_the_face_is_the_same(angle, cut, expected):
    tracks = follow(np.array([0.0, 1]), np.array([BOX, BOX]), unit(0, angle), np.array(cut, bool), gap=1.6)
    assert tracks.tolist() == expected


@pytest.mark.parametrize(
    ("times", "angles", "tracks", "expected"),
    [
        ([0, 5, 10], [0, 90, 10], [0, 1, 2], [0, 1, 0]),
        ([0, 5], [0, 50], [0, 1], [0, 0]),  # cosine .64
        ([0, 5], [0, 70], [0, 1], [0, 1]),  # cosine .34
        ([0, 0], [0, 10], [0, 1], [0, 1]),  # twins: in one frame two faces are two people
        ([0, 5, 6, 7], [90, 0, 0, 0], [0, 1, 1, 2], [1, 0, 0, 0]),  # the most seen is number 0
        ([], [], [], []),
    ],
)
def test_group(times, angles, tracks, expected):
    vectors = unit(*angles) if angles else np.zeros((0, 512), np.float32)
    people = group(np.array(times, float), vectors, np.array(tracks, np.int64), cosine=0.5)
    assert people.tolist() == expected


def test_group_joins_thousands_of_tracks_in_stretches():
    count = 5000
    angles = np.where(np.arange(count) % 3 == 0, 0.0, 90.0)
    people = group(np.arange(count, dtype=float), unit(*angles), np.arange(count), cosine=0.5)
    assert people.tolist() == (angles == 0).astype(int).tolist()


def test_means_have_length_one():
    found = means(unit(0, 90, 90), np.array([0, 0, 1]))
    np.testing.assert_allclose(found[:, :2], [[0.5**0.5, 0.5**0.5], [0, 1]], atol=1e-6)
    assert means(np.zeros((0, 512), np.float32), np.zeros(0, np.int64)).shape == (0, 512)
