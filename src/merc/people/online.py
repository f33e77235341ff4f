"""Who speaks while the conversation is not over: voices are assigned one by one, and divided again at times.

A stretch of one voice goes to the speaker whose mean vector it is most like, or to a new one where it is like nobody by
the same measure as in `merc.people.clustering`. The first seconds of somebody are a bad guess at the voice, so the
recent stretches are clustered again from time to time; each cluster keeps the name of the speaker with whom it shares
most speech, so that names are stable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from merc.options import at_least
from merc.people.clustering import MOST, centroids, cluster, likeness


@dataclass(frozen=True, slots=True)
class OnlineOptions:
    """How voices are assigned.

    Raises:
        InputError: an option is out of range.
    """

    most: int = MOST
    """Maximum number of speakers."""
    fewest: int = 1
    """Minimum number of speakers, as soon as there are so many stretches."""
    shortest: float = 0.6
    """Seconds of speech below which a stretch founds no speaker."""
    window: int = 200
    """Stretches that can still change their speaker; older ones are one mean for each speaker."""

    def __post_init__(self) -> None:
        at_least(1, fewest=self.fewest, window=self.window)
        at_least(self.fewest, most=self.most, hint=" (fewest)")
        at_least(0, shortest=self.shortest, hint=" seconds")


@dataclass(frozen=True, slots=True)
class Change:
    """A stretch that has another speaker than before: the name it was added under, and the speaker's number."""

    name: str
    speaker: int


class OnlineVoices:
    """Speakers of a stream by the vectors of their voices, numbered from 0 in order of appearance.

    Memory is bounded: it holds ``window`` stretches and a mean for each speaker.

    Example:
        >>> voices = OnlineVoices()
        >>> one, other = np.eye(192, dtype=np.float32)[:2]
        >>> [voices.add(name, vector, 3.0) for name, vector in (("a", one), ("b", other), ("c", one))]
        [0, 1, 0]
    """

    def __init__(self, options: OnlineOptions | None = None) -> None:
        self.options = options or OnlineOptions()
        self._names: list[str] = []
        self._vectors: list[np.ndarray] = []
        self._seconds: list[float] = []
        self._speakers: list[int] = []
        self._past: dict[int, tuple[np.ndarray, float]] = {}  # of each speaker: sum of what left the window, seconds

    @property
    def count(self) -> int:
        """Number of speakers."""
        return max([-1, *self._speakers, *self._past]) + 1

    def add(self, name: str, vector: np.ndarray, seconds: float) -> int:
        """The number of the speaker of a further stretch.

        Args:
            name: Names the stretch in `divide`.
            vector: How it sounds, ``(192,)`` of unit length.
            seconds: How long the voice is heard, above 0.
        """
        speaker = self._assigned(vector, seconds)
        self._names.append(name)
        self._vectors.append(np.asarray(vector, np.float32))
        self._seconds.append(seconds)
        self._speakers.append(speaker)
        if len(self._names) > self.options.window:
            self._forget(self.options.window // 4 or 1)
        return speaker

    def divide(self) -> list[Change]:
        """Cluster all stretches that are known again; returns those that have another speaker than before."""
        items, seconds, before = self._items()
        if len(items) < 2:
            return []
        heavy = seconds >= min(self.options.shortest, float(seconds.max()))
        labels = np.full(len(items), -1)
        fewest = min(self.options.fewest, int(heavy.sum()))
        labels[heavy] = cluster(items[heavy], weights=seconds[heavy], fewest=fewest, most=self.options.most)
        means = centroids(items[heavy], labels[heavy], seconds[heavy])
        labels[~heavy] = (items[~heavy] @ means.T).argmax(1)
        after = self._named(labels, seconds, before)
        own = after[len(self._past) :]
        changes = [
            Change(name, int(new))
            for name, old, new in zip(self._names, self._speakers, own, strict=True)
            if old != new
        ]
        self._speakers = [int(new) for new in own]
        return changes

    def _assigned(self, vector: np.ndarray, seconds: float) -> int:
        """The most similar speaker, or a new one."""
        items, weights, speakers = self._items()
        if not len(items):
            return 0
        numbers, labels = np.unique(speakers, return_inverse=True)
        means = centroids(items, labels, weights)
        heard = np.bincount(labels, weights)
        alike = likeness(means @ vector, heard, seconds)
        best = int(alike.argmax())
        new = alike[best] < 1 and seconds >= self.options.shortest and self.count < self.options.most
        return self.count if new else int(numbers[best])

    def _items(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Vectors ``(n, 192)``, seconds and speakers of what left the window, by speaker, and of each stretch in it."""
        past = [(total / max(float(np.linalg.norm(total)), 1e-9), kept) for total, kept in self._past.values()]
        vectors = [one for one, _ in past] + self._vectors
        seconds = [kept for _, kept in past] + self._seconds
        speakers = [*self._past, *self._speakers]
        return np.array(vectors), np.array(seconds), np.array(speakers, dtype=np.int64)

    def _named(self, labels: np.ndarray, seconds: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Clusters as numbers of speakers, so that as many seconds as possible keep theirs; the others are new.

        What left the window keeps its speaker in any case.
        """
        from scipy.optimize import linear_sum_assignment

        shared = np.zeros((int(labels.max()) + 1, self.count))
        np.add.at(shared, (labels, before), seconds)
        rows, columns = linear_sum_assignment(shared, maximize=True)
        names = {int(row): int(column) for row, column in zip(rows, columns, strict=True) if shared[row, column] > 0}
        free = self.count
        for label in labels.tolist():
            if label not in names:
                names[label] = free
                free += 1
        after = np.array([names[label] for label in labels.tolist()])
        after[: len(self._past)] = before[: len(self._past)]
        return after

    def _forget(self, count: int) -> None:
        """The oldest stretches become part of their speakers' means."""
        for vector, seconds, speaker in zip(
            self._vectors[:count], self._seconds[:count], self._speakers[:count], strict=True
        ):
            total, kept = self._past.get(speaker, (np.zeros_like(vector), 0.0))
            self._past[speaker] = (total + seconds * vector, kept + seconds)
        for known in (self._names, self._vectors, self._seconds, self._speakers):
            del known[:count]
