"""Which pieces of speech have one voice: spectral clustering of speaker embeddings, and the number of voices.

Pieces are the nodes of a graph whose edges are cosines, weighted by the seconds of speech of both ends; the leading
eigenvectors of its normalised affinity give a division for each number of voices (Ng, Jordan and Weiss 2002). The
number is the one whose division is best by two measures that err in opposite ways: how far the pieces of a cluster
agree in direction, with a price for each cluster, and the pairs of pieces within clusters, each counted by how much
its cosine exceeds what two voices have (correlation clustering).
"""

from __future__ import annotations

import math

import numpy as np

LARGEST = 1500
"""Pieces that are compared at once (a matrix of 18 MB); more are first merged block by block."""
MOST = 20
"""Number of voices up to which the number is estimated."""
_CERTAIN = 0.5
"""Cosine above which pieces are merged within a block: no two persons' pieces are that alike as a rule."""
_NOISE = 1.3
"""Seconds of speech of which an embedding is half voice, half chance: the cosine of two embeddings of one voice is
taken as √(a / (a + 1.3)) · √(b / (b + 1.3)) for a and b seconds, with its moods mixed."""
_TWO_VOICES = 0.5
"""Share of that cosine above which a pair is rather one voice than two; between what two persons have and, where a room
or a line colours both, may have."""
_ONE_VOICE = 0.62
"""Clusters whose mean directions have a larger cosine are one voice in two moods: in a long recording the moods of one
voice would otherwise be worth their price."""
_PRICE = 0.0275
"""What a cluster must add to the mean agreement of directions, in a minute of speech or less; falls with its root. Like
the three above, tuned on the tuning half of ``bench/diarisation.py``."""
_MINUTE = 60.0
_ROUNDS = 30  # of k-means: it ends by itself long before


def cluster(
    embeddings: np.ndarray,
    *,
    weights: np.ndarray,
    fewest: int = 1,
    most: int = MOST,
) -> np.ndarray:
    """Number the voices of ``(pieces, dim)`` unit vectors from 0, in order of appearance: ``(pieces,)`` ints.

    Args:
        embeddings: ``(pieces, dim)``, rows of unit length.
        weights: ``(pieces,)`` seconds of speech, above 0.
        fewest: Minimum number of voices; there are never more than pieces.
        most: Maximum number of voices; with ``fewest`` equal, the number is given.
    """
    if not len(embeddings):
        return np.zeros(0, dtype=np.int64)
    items = np.arange(len(embeddings))
    if len(embeddings) > LARGEST:
        items = _merged_in_blocks(embeddings, weights)
    means, totals = _means(embeddings, items, weights)
    directions = means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(float).tiny)
    labels = _divided(directions, totals, range(min(fewest, len(totals)), min(most, len(totals)) + 1))
    return _renumbered(labels[items])


def centroids(embeddings: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean directions ``(voices, dim)`` of unit length, each piece weighted by its seconds."""
    means, _ = _means(embeddings, labels, weights)
    lengths: np.ndarray = np.linalg.norm(means, axis=1, keepdims=True)
    directions: np.ndarray = means / np.maximum(lengths, np.finfo(np.float32).tiny)
    return directions


def likeness(cosines: np.ndarray, one: np.ndarray | float, other: np.ndarray | float) -> np.ndarray:
    """How much cosines speak for one voice: above 1 rather for one, below rather for two.

    Args:
        cosines: Any shape.
        one: Seconds of speech of one side.
        other: Seconds of speech of the other.
    """
    expected = np.sqrt(one / (one + _NOISE) * (other / (other + _NOISE)))
    result: np.ndarray = cosines / (_TWO_VOICES * expected)
    return result


def _means(embeddings: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and total weight of each cluster."""
    totals = np.bincount(labels, weights)
    sums = np.zeros((len(totals), embeddings.shape[1]))
    np.add.at(sums, labels, embeddings * weights[:, None])
    return sums / totals[:, None], totals


def _divided(vectors: np.ndarray, weights: np.ndarray, counts: range) -> np.ndarray:
    """The best division of ``(items, dim)`` unit vectors into one of some numbers of clusters, the fewer the better."""
    cosines = vectors @ vectors.T
    axes = _eigenvectors(cosines, weights, counts.stop - 1)
    divisions = [_spectral(axes[:, :count], weights) for count in counts]
    if len(divisions) == 1:
        return divisions[0]
    pairs = _pairs(cosines, weights)
    best = max(divisions, key=lambda labels: _agreement(vectors, labels, weights) + _within(pairs, labels))
    return _merged_by_direction(vectors, best, weights, fewest=counts.start)


def _eigenvectors(cosines: np.ndarray, weights: np.ndarray, count: int) -> np.ndarray:
    """The leading eigenvectors ``(items, count)`` of the normalised affinity, the first first."""
    from scipy.linalg import eigh

    affinity = np.maximum(0, cosines) * np.outer(weights, weights)
    np.fill_diagonal(affinity, weights**2)
    scale = 1 / np.sqrt(affinity.sum(1))
    items = len(cosines)
    _, vectors = eigh(affinity * np.outer(scale, scale), subset_by_index=(items - count, items - 1))
    axes: np.ndarray = vectors[:, ::-1]
    return axes


def _spectral(axes: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """As many clusters as there are eigenvectors: k-means of the rows in unit length, begun at the farthest."""
    rows = axes / np.maximum(np.linalg.norm(axes, axis=1, keepdims=True), np.finfo(float).tiny)
    means = rows[[int(weights.argmax())]]
    while len(means) < axes.shape[1]:
        means = np.vstack([means, rows[(_distances(rows, means).min(1) * weights).argmax()]])
    labels = _distances(rows, means).argmin(1)
    for _ in range(_ROUNDS):
        _, labels = np.unique(labels, return_inverse=True)
        means, _ = _means(rows, labels, weights)
        before, labels = labels, _distances(rows, means).argmin(1)
        if (before == labels).all():
            break
    return _renumbered(labels)


def _distances(rows: np.ndarray, means: np.ndarray) -> np.ndarray:
    """Squared distances ``(rows, means)``."""
    squares: np.ndarray = ((rows[:, None] - means[None]) ** 2).sum(2)
    return squares


def _agreement(vectors: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> float:
    """How far the vectors of each cluster have one direction (1: wholly), less the price of the clusters.

    What a vector adds to its own cluster by chance is left out, or else single pieces would agree best.
    """
    means, totals = _means(vectors, labels, weights)
    chance = np.bincount(labels, weights**2 * _NOISE / (weights + _NOISE))
    lengths = np.sqrt(np.maximum(0, (np.linalg.norm(means, axis=1) * totals) ** 2 - chance))
    price = _PRICE * min(1.0, math.sqrt(_MINUTE / weights.sum()))
    return float(lengths.sum() / weights.sum() - price * len(totals))


def _pairs(cosines: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """How much each pair of items speaks for one voice (negative: for two), ``(items, items)``."""
    known = np.sqrt(weights / (weights + _NOISE))
    importance = np.sqrt(np.outer(weights, weights))
    pairs: np.ndarray = (cosines - _TWO_VOICES * np.outer(known, known)) * importance / importance.sum()
    np.fill_diagonal(pairs, 0)
    return pairs


def _within(pairs: np.ndarray, labels: np.ndarray) -> float:
    """The sum of the pairs that are in one cluster."""
    return float(pairs[labels[:, None] == labels[None]].sum())


def _merged_by_direction(vectors: np.ndarray, labels: np.ndarray, weights: np.ndarray, *, fewest: int) -> np.ndarray:
    """Merge clusters whose mean directions nearly agree."""
    while labels.max() >= fewest:
        directions = centroids(vectors, labels, weights)
        similar = directions @ directions.T
        np.fill_diagonal(similar, -np.inf)
        one, two = sorted(divmod(int(similar.argmax()), len(similar)))
        if similar[one, two] < _ONE_VOICE:
            break
        labels = _renumbered(np.where(labels == two, one, labels))
    return labels


def _merged_in_blocks(embeddings: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Merge what is certainly one voice within blocks of consecutive pieces, then in blocks of what is left."""
    labels, threshold = np.arange(len(embeddings)), _CERTAIN
    while True:
        means, totals = _means(embeddings, labels, weights)
        joined = np.arange(len(totals))
        for start in range(0, len(totals), LARGEST):
            block = slice(start, start + LARGEST)
            joined[block] = start + _merged(means[block], totals[block], threshold)
        labels = _renumbered(joined[labels])
        if labels.max() < LARGEST:
            return labels
        threshold -= 0.05  # many dissimilar pieces are left: be less strict rather than need more memory


def _merged(means: np.ndarray, totals: np.ndarray, threshold: float) -> np.ndarray:
    """Merge the two clusters of the largest mean cosine over their pairs of pieces until it is below a threshold.

    That cosine is the product of the two weighted means, so that a cluster is its mean and its weight, however large.
    """
    means, totals, labels = means.copy(), totals.copy(), np.arange(len(means))
    similar = (means @ means.T).astype(np.float32)
    np.fill_diagonal(similar, -np.inf)
    while similar.max() >= threshold:
        one, two = sorted(divmod(int(similar.argmax()), len(means)))
        means[one] += totals[two] / (totals[one] + totals[two]) * (means[two] - means[one])
        totals[one] += totals[two]
        labels[labels == two] = one
        row = (means @ means[one]).astype(np.float32)
        row[np.isneginf(similar[one])] = -np.inf
        row[two] = -np.inf
        similar[one], similar[:, one] = row, row
        similar[two], similar[:, two] = -np.inf, -np.inf
        similar[one, one] = -np.inf
    return labels


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Labels 0, 1, … in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
