"""Clustering: finds the voices of made-up vectors, whatever the order, the weights and the number of pieces."""

import numpy as np
import pytest

from merc.people import clustering
from merc.people.clustering import centroids, cluster


def voices(sizes, *, spread=0.5, seed=0, dim=64):
    """Unit vectors around one direction a voice; a voice's vectors are about 1 / (1 + spread²) alike."""
    random = np.random.default_rng(seed)
    directions = np.linalg.qr(random.normal(size=(dim, len(sizes))))[0].T
    truth = random.permutation(np.repeat(np.arange(len(sizes)), sizes))
    made = directions[truth] + spread * random.normal(size=(len(truth), dim)) / np.sqrt(dim)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32), truth


def same(labels, truth):
    """Whether two labellings are equal but for the names."""
    return len(set(zip(labels.tolist(), truth.tolist(), strict=True))) == len(set(labels)) == len(set(truth))


@pytest.mark.parametrize("sizes", [[1], [5], [10, 10], [30, 3, 10], [8] * 6])
def test_voices_are_found(sizes):
    embeddings, truth = voices(sizes)
    labels = cluster(embeddings, weights=np.full(len(truth), 2.0))
    assert same(labels, truth)
    assert list(dict.fromkeys(labels.tolist())) == list(range(len(sizes)))


def test_nothing_gives_nothing():
    assert cluster(np.zeros((0, 8)), weights=np.zeros(0)).shape == (0,)


def test_a_clear_second_of_another_voice_is_a_voice_and_a_doubtful_one_is_not():
    random = np.random.default_rng(0)
    main, other = np.eye(64)[:2]
    many = main + 0.7 * random.normal(size=(12, 64)) / 8
    for likeness, found in ((0.0, 2), (0.45, 1)):
        piece = likeness * main + np.sqrt(1 - likeness**2) * other
        embeddings = np.vstack([many, piece])
        embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
        weights = np.array([2.0] * 12 + [1.3])
        assert len(set(cluster(embeddings, weights=weights).tolist())) == found, likeness


@pytest.mark.parametrize(("count", "found"), [(1, 1), (2, 2), (3, 3), (5, 5), (99, 30)])
def test_a_known_number_goes_before_the_estimate(count, found):
    embeddings, _ = voices([10, 10, 10])
    labels = cluster(embeddings, weights=np.ones(30), fewest=count, most=count)
    assert len(set(labels.tolist())) == found


@pytest.mark.parametrize(("fewest", "most", "found"), [(1, 20, 3), (1, 2, 2), (4, 20, 4), (2, 3, 3), (99, 99, 30)])
def test_bounds_of_the_number_are_kept(fewest, most, found):
    embeddings, _ = voices([10, 10, 10])
    labels = cluster(embeddings, weights=np.full(30, 2.0), fewest=fewest, most=most)
    assert len(set(labels.tolist())) == found


def test_a_known_number_counts_no_laugh():
    embeddings, truth = voices([20, 20, 1])
    labels = cluster(embeddings, weights=np.where(truth < 2, 2.0, 0.6), fewest=2, most=2)
    large = truth < 2
    assert same(labels[large], truth[large])
    assert labels.max() == 1


def test_more_pieces_than_a_matrix_holds(monkeypatch):
    embeddings, truth = voices([150, 100, 50])
    whole = cluster(embeddings, weights=np.ones(300))
    monkeypatch.setattr(clustering, "LARGEST", 40)
    assert same(cluster(embeddings, weights=np.ones(300)), truth)
    assert same(whole, truth)


def test_pieces_without_anything_in_common_still_fit(monkeypatch):
    monkeypatch.setattr(clustering, "LARGEST", 10)
    labels = cluster(np.eye(35, dtype=np.float32), weights=np.ones(35))
    assert len(labels) == 35


def test_a_piece_without_an_embedding_has_a_voice():
    embeddings, truth = voices([10, 10])
    labels = cluster(np.vstack([embeddings, np.zeros((1, 64))]), weights=np.full(21, 2.0))
    assert same(labels[:20], truth)


def test_centroids_are_weighted_means_of_unit_length():
    made = centroids(np.array([[1.0, 0], [0, 1], [0, -1]]), np.array([0, 0, 1]), np.array([3.0, 4, 1]))
    np.testing.assert_allclose(made, [[0.6, 0.8], [0, -1]])


def test_two_moods_of_one_voice_are_one():
    random = np.random.default_rng(3)
    random_part = random.normal(size=(80, 256)) / 16
    voice, mood, other = np.eye(256)[:3]
    moods = np.repeat([voice + 0.45 * mood, voice - 0.45 * mood, other], [30, 30, 20], axis=0)
    embeddings = moods + 1.3 * random_part
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    labels = cluster(embeddings, weights=np.full(80, 2.0))
    assert labels.tolist() == [0] * 60 + [1] * 20
