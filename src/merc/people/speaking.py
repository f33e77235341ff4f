"""Who of the people in the picture speaks while an utterance is said: moving mouths against the upper face."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merc.conversation import Segment
from merc.people.faces import FaceObservations

MOUTH, UPPER, NONE = 8.0, -4.5, -5.0
"""Log odds that a mouth speaks: weights of the logarithms of its changes and of the upper face's, and the constant."""
CERTAIN = 3.0
"""Largest log odds, either way: half a second of a mouth is never surer than this."""
UNFOLLOWED = 0.7
"""Log odds of a face that could not be followed: a camera mostly shows who speaks."""
UNSEEN = 0.5
"""Odds that somebody speaks who is not in the picture, where the faces in the picture leave it open."""


@dataclass(frozen=True, slots=True, eq=False)
class Speaking:
    """What is seen of each person while each of ``n`` utterances is said.

    Attributes:
        outside: ``(n,)`` mean probability that somebody outside the picture speaks; 1 where no face is seen.
        gain: ``(n, people)`` by how much that rises for a speaker whose face is the person's.
        frames: ``(people,)`` frames in which each is seen.
        templates: ``(people, d)`` mean embedding of each, of unit length.
        together: ``(people, people)`` bool, which are ever seen in one frame.
    """

    outside: np.ndarray
    gain: np.ndarray
    frames: np.ndarray
    templates: np.ndarray
    together: np.ndarray

    @property
    def count(self) -> int:
        """Number of people."""
        return len(self.frames)

    @classmethod
    def of(cls, seen: FaceObservations, segments: Sequence[Segment], *, used: np.ndarray | None = None) -> Speaking:
        """What is seen during some segments, of all frames or of those that are ``used``, bool."""
        here, elsewhere = shares(seen)
        used = np.ones(len(seen.frame_times), bool) if used is None else used
        frame = np.searchsorted(seen.frame_times, seen.times)
        present = np.zeros((len(seen.frame_times), seen.count), bool)
        present[frame, seen.people] = True
        outside, gain = np.ones(len(segments)), np.zeros((len(segments), seen.count))
        for row, segment in enumerate(segments):
            start, end = np.searchsorted(seen.frame_times, [segment.start, segment.end])
            inside = start + np.flatnonzero(used[start:end])
            if len(inside):
                outside[row] = elsewhere[inside].mean()
                gain[row] = np.where(present[inside], here[inside] - elsewhere[inside, None], 0).mean(axis=0)
        counts = np.array([len(np.unique(frame[seen.people == person])) for person in range(seen.count)], np.int64)
        together = present.T.astype(np.float32) @ present > 0
        return cls(outside, gain, counts, seen.templates(), together & ~np.eye(seen.count, dtype=bool))


def shares(seen: FaceObservations) -> tuple[np.ndarray, np.ndarray]:
    """The probability that each person speaks in each frame, if somebody does: ``(frames, people)``.

    The second result is the probability that it is somebody outside the picture: ``(frames,)``.
    """
    odds = np.zeros((len(seen.frame_times), seen.count))
    np.maximum.at(odds, (np.searchsorted(seen.frame_times, seen.times), seen.people), np.exp(log_odds(seen)))
    total = odds.sum(axis=1) + UNSEEN
    return odds / total[:, None], UNSEEN / total


def log_odds(seen: FaceObservations) -> np.ndarray:
    """Log odds that each face's mouth speaks around its frame: ``(n,)``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a face that was never followed has no mean
        mouth, upper = np.nanmean(seen.mouth, axis=1), np.nanmean(seen.upper, axis=1)
    odds = MOUTH * np.log1p(mouth) + UPPER * np.log1p(upper) + NONE
    result: np.ndarray = np.where(np.isnan(odds), UNFOLLOWED, np.clip(odds, -CERTAIN, CERTAIN))
    return result
