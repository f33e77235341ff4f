"""Which pieces of speech have one voice: agglomerative clustering of speaker embeddings.

The similarity of two clusters is the mean cosine over their pairs of pieces, each weighted by its seconds of speech. It
equals the product of the two weighted mean vectors, so that a cluster is its mean and its weight, however large.
"""

from __future__ import annotations

import numpy as np

LARGEST = 1500
"""Pieces that are compared at once (a matrix of 9 MB); more are first merged block by block."""
_EXTRA = 0.15
"""By how much the similarity of pieces must exceed the threshold for them to be merged within a block."""
_ONE_VOICE = 0.56
"""Clusters whose mean directions have a larger cosine are one voice in two moods: the means of two moods have one of
about .6, those of two persons at most .54 in the recordings that were examined."""


def cluster(
    embeddings: np.ndarray, *, weights: np.ndarray, threshold: float, smallest: float, count: int | None = None
) -> np.ndarray:
    """Number the voices of ``(pieces, dim)`` unit vectors from 0: ``(pieces,)`` ints.

    Clusters are merged while the most similar are above ``threshold``; those that weigh less than ``smallest`` then
    join the most similar cluster, so that a laugh does not become a person, and clusters whose mean directions nearly
    agree are merged.

    Args:
        embeddings: ``(pieces, dim)``, rows of unit length.
        weights: ``(pieces,)`` seconds of speech.
        threshold: Minimum cosine at which clusters are merged.
        smallest: Least weight of a cluster, in seconds.
        count: Number of voices, where it is known: clusters are merged down to the last step at which that many are
            of ``smallest`` weight, whatever the threshold.
    """
    if not len(embeddings):
        return np.zeros(0, dtype=np.int64)
    labels = np.arange(len(embeddings))
    if len(embeddings) > LARGEST:
        labels = _merged_in_blocks(embeddings, weights=weights, threshold=threshold + _EXTRA)
    means, totals = _means(embeddings, labels, weights)
    history, similarity = _merge_all(means, totals)
    steps = _steps_to_count(history, totals, smallest, count) if count else int((similarity >= threshold).sum())
    labels = _renumbered(_after(history[:steps], len(totals))[labels])
    labels = _small_joined(embeddings, labels, weights=weights, smallest=smallest, count=count)
    return labels if count else _merged_by_direction(embeddings, labels, weights)


def centroids(embeddings: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Mean directions ``(voices, dim)`` of unit length, each piece weighted by its seconds."""
    means, _ = _means(embeddings, labels, weights)
    lengths: np.ndarray = np.linalg.norm(means, axis=1, keepdims=True)
    directions: np.ndarray = means / np.maximum(lengths, np.finfo(np.float32).tiny)
    return directions


def _means(embeddings: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weighted mean and total weight of each cluster."""
    totals = np.bincount(labels, weights)
    sums = np.zeros((len(totals), embeddings.shape[1]))
    np.add.at(sums, labels, embeddings * weights[:, None])
    return sums / totals[:, None], totals


def _merge_all(means: np.ndarray, totals: np.ndarray) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Merge the two most similar clusters until one is left: pairs (the second joins the first) and similarities.

    Similarities fall from step to step (a running minimum), so that a threshold cuts once.
    """
    means, totals = means.copy(), totals.copy()
    similar = (means @ means.T).astype(np.float32)
    np.fill_diagonal(similar, -np.inf)
    history, similarity = [], []
    for _ in range(len(means) - 1):
        one, two = sorted(divmod(int(similar.argmax()), len(means)))
        history.append((one, two))
        similarity.append(similar[one, two])
        share = totals[two] / (totals[one] + totals[two])
        means[one] += share * (means[two] - means[one])
        totals[one] += totals[two]
        row = (means @ means[one]).astype(np.float32)
        row[np.isneginf(similar[one])] = -np.inf
        row[two] = -np.inf
        similar[one], similar[:, one] = row, row
        similar[two], similar[:, two] = -np.inf, -np.inf
        similar[one, one] = -np.inf
    return history, np.minimum.accumulate(np.array(similarity, dtype=np.float32))


def _after(history: list[tuple[int, int]], clusters: int) -> np.ndarray:
    """The cluster of each of the first clusters after some steps."""
    labels = np.arange(clusters)
    for one, two in history:
        labels[labels == two] = one
    return labels


def _steps_to_count(history: list[tuple[int, int]], totals: np.ndarray, smallest: float, count: int) -> int:
    """The last step at which just ``count`` clusters are large enough; failing that, at which ``count`` are left."""
    weights, found = totals.copy(), None
    for step in range(len(history) + 1):
        if step:
            one, two = history[step - 1]
            weights[one], weights[two] = weights[one] + weights[two], 0
        if (weights >= smallest).sum() == count:
            found = step
    return max(0, len(totals) - count) if found is None else found


def _merged_in_blocks(embeddings: np.ndarray, *, weights: np.ndarray, threshold: float) -> np.ndarray:
    """Merge what is certainly one voice within blocks of consecutive pieces, then in blocks of what is left."""
    labels = np.arange(len(embeddings))
    while True:
        means, totals = _means(embeddings, labels, weights)
        joined = np.arange(len(totals))
        for start in range(0, len(totals), LARGEST):
            block = slice(start, start + LARGEST)
            history, similarity = _merge_all(means[block], totals[block])
            joined[block] = start + _after(history[: int((similarity >= threshold).sum())], len(totals[block]))
        labels = _renumbered(joined[labels])
        if labels.max() < LARGEST:
            return labels
        threshold -= _EXTRA / 3  # many dissimilar pieces are left: be less strict rather than need more memory


def _small_joined(
    embeddings: np.ndarray, labels: np.ndarray, *, weights: np.ndarray, smallest: float, count: int | None
) -> np.ndarray:
    """Let clusters that weigh too little join the most similar, the lightest first, but keep ``count``."""
    labels = labels.copy()
    while (clusters := labels.max() + 1) > (count or 1):
        means, totals = _means(embeddings, labels, weights)
        least = int(totals.argmin())
        if totals[least] >= smallest:
            break
        directions = means / np.linalg.norm(means, axis=1, keepdims=True)
        similar = directions @ directions[least]
        similar[least] = -np.inf
        labels[labels == least] = int(similar.argmax())
        labels = _renumbered(labels)
        if labels.max() + 1 >= clusters:
            break
    return labels


def _merged_by_direction(embeddings: np.ndarray, labels: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Merge clusters whose pieces are scattered, hence of low similarity, but around one direction."""
    while labels.max() > 0:
        directions = centroids(embeddings, labels, weights)
        similar = directions @ directions.T
        np.fill_diagonal(similar, -np.inf)
        one, two = sorted(divmod(int(similar.argmax()), len(similar)))
        if similar[one, two] < _ONE_VOICE:
            break
        labels = _renumbered(np.where(labels == two, one, labels))
    return labels


def _renumbered(labels: np.ndarray) -> np.ndarray:
    """Labels 0, 1, … in order of first appearance."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[inverse]
