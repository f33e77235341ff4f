"""What of a vector belongs to the person: each person's neutral, estimated from the person's other utterances.

Identity is the largest nuisance in voices and faces. In a conversation the person's other utterances tell it, but they
do not say which of them are neutral, and somebody may have one mood throughout. A linear Gaussian model with an offset
of each person (probabilistic linear discriminant analysis, Ioffe 2006, Prince and Elder 2007) estimates both at once.
With u the coordinates of an utterance of label y and person i,

    u = mean_y + offset_i + rest,    offset_i ~ N(0, diag(spread)),    rest ~ N(0, 1)

alternate (expectation maximisation): the labels of the utterances given the offset, with what the words say and the
person's mix of labels as prior; the offset and the mix given the labels. An offset shrinks to 0 with few utterances,
and what a person's probable labels explain is not put down to the person: the cure must not erase a speaker's only
mood. The offset of an utterance is that of the person's *other* utterances, so its own words do not count twice.

Symbols: n utterances, d numbers of a vector, k coordinates, 7 labels.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np

from merc.errors import InputError
from merc.evaluation.calibration import softmax

ROUNDS = 10
"""Alternations of labels and offsets; more change no label."""

PREFIX = "person_"
"""Begins the name of an array of the model in the file of a head."""

_LEAST = 1e-9


@dataclass(frozen=True, slots=True)
class PersonModel:
    """The model with fixed parameters; ``merc.recipes.face_head`` fits that of faces.

    Attributes:
        directions: ``(k, d)``, vectors to coordinates in which the rest has variance 1.
        centre: ``(k,)``, subtracted from the coordinates.
        means: ``(7, k)`` of the labels; a label without examples has the mean of all.
        spread: ``(k,)``, variance of the offsets of people.
        temperature: Divides log likelihoods of labels while offsets are estimated: coordinates of new people are less
            regular than those of the training corpora.
        prior: ``(7,)``, of the labels in conversation; 0 for a label without examples.
        count: Utterances that the prior is worth where a person's own mix of labels is estimated: few let somebody be
            of one mood throughout.
    """

    directions: np.ndarray
    centre: np.ndarray
    means: np.ndarray
    spread: np.ndarray
    temperature: float
    prior: np.ndarray
    count: float

    def coordinates(self, vectors: np.ndarray) -> np.ndarray:
        """Coordinates ``(n, k)`` float64 of vectors ``(n, d)``; raises InputError for another width."""
        if vectors.ndim != 2 or vectors.shape[1] != self.directions.shape[1]:
            raise InputError(f"vectors of shape {vectors.shape}; expected (n, {self.directions.shape[1]})")
        found: np.ndarray = (np.asarray(vectors, np.float32) @ self.directions.T).astype(np.float64) - self.centre
        return found

    @classmethod
    def of(cls, arrays: Mapping[str, np.ndarray]) -> PersonModel:
        """The model of the arrays that `arrays` gives; raises KeyError where one is missing."""
        found = {one.name: np.asarray(arrays[PREFIX + one.name]) for one in fields(cls)}
        numbers = {name: float(found.pop(name)[0]) for name in ("temperature", "count")}
        return cls(**found, **numbers)  # type: ignore[arg-type]

    def arrays(self) -> dict[str, np.ndarray]:
        """The parameters as arrays by name, for a file beside the layers of a head.

        They are contiguous: safetensors writes the memory of an array as it lies.
        """
        return {PREFIX + one.name: np.ascontiguousarray(getattr(self, one.name)) for one in fields(self)}

    def vectors(self, coordinates: np.ndarray) -> np.ndarray:
        """Differences of coordinates ``(n, k)`` as differences of vectors ``(n, d)``, the shortest that give them."""
        found: np.ndarray = coordinates @ np.linalg.pinv(self.directions.astype(np.float64)).T
        return found

    def offsets(
        self, coordinates: np.ndarray, people: Sequence[Hashable], words: np.ndarray | None = None
    ) -> np.ndarray:
        """The person's offset of each utterance, from the other utterances of that person.

        Args:
            coordinates: ``(n, k)``.
            people: Who each utterance belongs to; None: unknown, so that its offset is 0.
            words: ``(n, 7)``, probabilities of the labels before the vector is seen; default: the prior.

        Returns:
            ``(n, k)``; subtract it from the coordinates.

        Raises:
            InputError: for lengths that differ.
        """
        if len(people) != len(coordinates) or (words is not None and len(words) != len(coordinates)):
            raise InputError(f"{len(coordinates)} utterances, {len(people)} people: expected one for each")
        found = np.zeros_like(coordinates)
        before = np.tile(self.prior, (len(coordinates), 1)) if words is None else words * (self.prior > 0)
        for person in dict.fromkeys(people):
            rows = [row for row, name in enumerate(people) if name == person]
            if person is not None and len(rows) > 1:
                found[rows] = self._offset(coordinates[rows], np.log(np.maximum(before[rows], _LEAST)))
        return found

    def _offset(self, own: np.ndarray, before: np.ndarray) -> np.ndarray:
        """Offsets ``(m, k)`` of the utterances of one person; ``before`` are log probabilities ``(m, 7)``."""
        others = len(own) - 1
        share = self.spread / (self.spread + 1 / others)  # (k,), of the residuals' mean: the shrinkage
        left = self.spread / (1 + others * self.spread)  # (k,), variance of the offset that remains
        offset, variance, mix = np.zeros_like(own), 1 + self.spread, np.zeros((1, len(self.means)))
        for _ in range(ROUNDS):
            labels = softmax(self._likelihoods(own - offset, variance) / self.temperature + before + mix)  # (m, 7)
            residuals = own - labels @ self.means
            offset = share * (residuals.sum(0) - residuals) / others
            variance = 1 + left
            mix = self._mix(labels)
        return offset

    def _mix(self, labels: np.ndarray) -> np.ndarray:
        """Log of the person's mix of labels over the prior ``(m, 7)``, from the person's other utterances."""
        others = labels.sum(0) - labels
        mix = (self.count * self.prior + others) / (self.count + len(labels) - 1)
        found: np.ndarray = np.log(np.maximum(mix, _LEAST)) - np.log(np.maximum(self.prior, _LEAST))
        return found

    def _likelihoods(self, coordinates: np.ndarray, variance: np.ndarray) -> np.ndarray:
        """Log likelihoods ``(n, 7)`` of the labels up to a constant of each utterance."""
        scaled = self.means / variance  # (7, k)
        found: np.ndarray = coordinates @ scaled.T - 0.5 * (self.means * scaled).sum(1)
        return found
