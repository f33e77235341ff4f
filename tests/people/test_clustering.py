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
    labels = cluster(embeddings, weights=np.ones(len(truth)), threshold=0.35, smallest=1)
    assert same(labels, truth)
    assert list(dict.fromkeys(labels.tolist())) == list(range(len(sizes)))


def test_nothing_gives_nothing():
    assert cluster(np.zeros((0, 8)), weights=np.zeros(0), threshold=0.3, smallest=1).shape == (0,)


def test_a_light_cluster_joins_the_most_alike():
    embeddings = np.array([[1, 0, 0], [1, 0.1, 0], [0, 1, 0], [0, 1, 0.1], [0, 0.3, 1]], dtype=np.float32)
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    weights = np.array([3, 3, 3, 3, 1.0])
    assert cluster(embeddings, weights=weights, threshold=0.5, smallest=1).tolist() == [0, 0, 1, 1, 2]
    assert cluster(embeddings, weights=weights, threshold=0.5, smallest=2).tolist() == [0, 0, 1, 1, 1]


@pytest.mark.parametrize(("count", "found"), [(1, 1), (2, 2), (3, 3), (5, 5), (99, 30)])
def test_a_known_number_goes_before_the_threshold(count, found):
    embeddings, _ = voices([10, 10, 10])
    labels = cluster(embeddings, weights=np.ones(30), threshold=0.35, smallest=1, count=count)
    assert len(set(labels)) == found


def test_a_known_number_counts_no_laugh():
    embeddings, truth = voices([20, 20, 1])
    labels = cluster(embeddings, weights=np.ones(41), threshold=0.35, smallest=3, count=2)
    large = truth < 2
    assert same(labels[large], truth[large])
    assert labels.max() == 1


def test_more_pieces_than_a_matrix_holds(monkeypatch):
    embeddings, truth = voices([150, 100, 50])
    whole = cluster(embeddings, weights=np.ones(300), threshold=0.35, smallest=2)
    monkeypatch.setattr(clustering, "LARGEST", 40)
    assert same(cluster(embeddings, weights=np.ones(300), threshold=0.35, smallest=2), truth)
    assert same(whole, truth)


def test_pieces_without_anything_in_common_still_fit(monkeypatch):
    monkeypatch.setattr(clustering, "LARGEST", 10)
    labels = cluster(np.eye(35, dtype=np.float32), weights=np.ones(35), threshold=0.35, smallest=1)
    assert len(labels) == 35


def test_centroids_are_weighted_means_of_unit_length():
    made = centroids(np.array([[1.0, 0], [0, 1], [0, -1]]), np.array([0, 0, 1]), np.array([3.0, 4, 1]))
    np.testing.assert_allclose(made, [[0.6, 0.8], [0, -1]])


def test_two_moods_of_one_voice_are_one():
    random = np.random.default_rng(3)
    random_part = random.normal(size=(80, 256)) / 16
    voice, mood, other = np.eye(256)[:3]
    moods = np.repeat([voice + 0.5 * mood, voice - 0.5 * mood, other], [30, 30, 20], axis=0)
    embeddings = moods + 1.3 * random_part
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    assert embeddings[:30].mean(0) @ embeddings[30:60].mean(0) < 0.345
    labels = cluster(embeddings, weights=np.ones(80), threshold=0.345, smallest=2)
    assert labels.tolist() == [0] * 60 + [1] * 20
