"""Faces become tracks, and tracks become people, by their places and the likeness of their embeddings."""

from __future__ import annotations

import numpy as np


def follow(times: np.ndarray, boxes: np.ndarray, embeddings: np.ndarray, cut: np.ndarray, *, gap: float) -> np.ndarray:
    """Join faces of neighbouring frames into tracks by place and likeness; returns a number from 0 for each face.

    A face joins a track seen at most ``gap`` seconds ago where cosine + overlap is greatest, if they overlap by
    at least .3, the cosine is at least .3 and no cut lies between, or wherever they are if the cosine is at least .6.

    Args:
        times: ``(n,)`` seconds.
        boxes: ``(n, 4)`` left, top, right, bottom in parts of the frame.
        embeddings: ``(n, d)`` of length one.
        cut: ``(n, 2)`` whether a face was lost soon before and after its frame.
        gap: Seconds.
    """
    from scipy.optimize import linear_sum_assignment

    tracks = np.full(len(times), -1, np.int64)
    count, last = 0, np.zeros(0, np.int64)  # the last face of each track that may continue
    for time in np.unique(times):
        new = np.flatnonzero(times == time)
        last = last[times[last] >= time - gap]
        likeness = embeddings[last] @ embeddings[new].T  # (tracks, faces)
        overlap = _overlap(boxes[last], boxes[new])
        apart = cut[last, 1][:, None] | cut[new, 0][None]
        possible = ((overlap >= 0.3) & (likeness >= 0.3) & ~apart) | (likeness >= 0.6)
        for old, face in zip(*linear_sum_assignment(np.where(possible, -(likeness + overlap), 9.0)), strict=True):
            if possible[old, face]:
                tracks[new[face]] = tracks[last[old]]
        for face in new[tracks[new] < 0]:
            tracks[face], count = count, count + 1
        kept = last[~np.isin(tracks[last], tracks[new])]
        last = np.concatenate([kept, new])
    return tracks


def group(times: np.ndarray, embeddings: np.ndarray, tracks: np.ndarray, *, cosine: float) -> np.ndarray:
    """Join tracks into people by likeness; returns each face's person, from 0, the most seen first.

    Average linkage on the tracks' mean embeddings, down to a mean likeness of ``cosine``; tracks that share a frame
    count as opposites. More than 4,000 tracks are joined in stretches first, which bounds the memory.
    """
    if not len(tracks):
        return np.zeros(0, np.int64)
    people, most = tracks, 4000
    while (count := int(people.max()) + 1) > most:
        for start in range(0, count, most):
            within = (people >= start) & (people < start + most)
            people[within] = start + _joined(times[within], embeddings[within], people[within] - start, cosine)
        people = np.unique(people, return_inverse=True)[1]
        if int(people.max()) + 1 == count:
            break  # nothing is alike enough within any stretch
    else:
        people = _joined(times, embeddings, people, cosine)
    seen = np.bincount(people)
    rank = np.argsort(np.argsort(-seen, kind="stable"), kind="stable")
    return rank[people].astype(np.int64)


def _joined(times: np.ndarray, embeddings: np.ndarray, groups: np.ndarray, cosine: float) -> np.ndarray:
    """Join groups numbered from 0 by average linkage; returns each face's new group, from 0."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    centres = means(embeddings, groups)
    if len(centres) < 2:
        return groups
    distances = np.clip(1 - centres @ centres.T, 0, 2)
    for time in np.unique(times):
        here = np.unique(groups[times == time])
        distances[np.ix_(here, here)] = 2.0  # two faces of one frame are two people
    np.fill_diagonal(distances, 0)
    links = linkage(squareform(distances, checks=False), "average")  # of thousands, one copy more is 100 MB
    joined = fcluster(links, 1 - cosine, "distance") - 1
    result: np.ndarray = joined[groups].astype(np.int64)
    return result


def means(embeddings: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Mean embedding of each group from 0, of length one: (groups, 512)."""
    count = int(groups.max()) + 1 if len(groups) else 0
    sums = np.zeros((count, embeddings.shape[1]), np.float32)
    np.add.at(sums, groups, embeddings)
    means: np.ndarray = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
    return means


def _overlap(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Shared area over union of boxes (a, 4) and (b, 4): (a, b)."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (one, other)]
    result: np.ndarray = shared / (areas[0][:, None] + areas[1][None] - shared)
    return result
