"""Fit the model of persons' offsets (``merc.heads.person``) on labelled vectors of many people.

Principal components of the standardised vectors; the means of labels and the offsets of people by alternating least
squares; then the coordinates in which the rest has variance 1 and the offsets are uncorrelated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merc.errors import InputError
from merc.heads.mlp import CLASSES
from merc.heads.person import PersonModel
from merc.options import above, at_least

_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class PersonOptions:
    """Options of the fit; raises InputError for a value that cannot be used."""

    components: int = 300
    """Principal components at most."""
    ridge: float = 1.0
    """Added to the variance of the rest, as a multiple of its mean over the components."""
    unseen: float = 0.03
    """Variance of offsets beside that of the training people, as a multiple of the rest's: new people, rooms and
    microphones differ in more ways than these."""
    temperature: float = 4.0
    """Of the log likelihoods while offsets are estimated."""
    count: float = 2.0
    """Utterances that the prior is worth where a person's mix of labels is estimated."""

    def __post_init__(self) -> None:
        at_least(1, components=self.components)
        above(0, ridge=self.ridge, temperature=self.temperature, count=self.count)
        at_least(0, unseen=self.unseen)


def fit_person(
    vectors: np.ndarray, classes: np.ndarray, people: Sequence[str], prior: np.ndarray, options: PersonOptions
) -> PersonModel:
    """The model of labelled vectors.

    Args:
        vectors: ``(n, d)``.
        classes: ``(n,)``, numbers in EKMAN7.
        people: Who each vector belongs to.
        prior: ``(7,)`` of the labels in conversation.
        options: How.

    Raises:
        InputError: for fewer than two people or lengths that differ.
    """
    from scipy.linalg import eigh

    names, numbers = np.unique(np.asarray(people, dtype=str), return_inverse=True)
    if len(names) < 2 or not len(vectors) == len(classes) == len(numbers):
        raise InputError(
            f"{len(vectors)} vectors, {len(classes)} classes, {len(names)} people: expected one class and one person "
            "for each, and at least two people"
        )
    centre, components = _components(vectors, options.components)
    values = np.asarray((vectors - centre) @ components.T, np.float64)  # (n, k)
    means, offsets = _effects(values, classes, numbers)
    rest = values - means[classes] - offsets[numbers]
    within = rest.T @ rest / max(1, len(values) - len(names))
    within += options.ridge * np.trace(within) / len(within) * np.eye(len(within))
    between = offsets.T @ offsets / len(names) + options.unseen * within
    spread, turned = eigh(between, within)  # turned.T @ within @ turned = 1
    directions = np.asarray(turned.T @ components, np.float32)  # (k, d)
    there = np.bincount(classes, minlength=CLASSES) > 0
    masked = np.where(there, prior, 0.0)
    return PersonModel(
        directions,
        np.asarray(directions, np.float64) @ centre,
        means @ turned,
        np.maximum(spread, 0.0),
        options.temperature,
        masked / masked.sum(),
        options.count,
    )


def _components(vectors: np.ndarray, most: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean ``(d,)`` and principal directions ``(k, d)`` of the standardised vectors, for vectors as they are."""
    from sklearn.decomposition import PCA

    centre, deviation = vectors.mean(0), vectors.std(0)
    scale = np.where(deviation > 0, deviation, 1)
    scaled = np.asarray((vectors - centre) / scale, np.float32)
    found = PCA(min(most, *scaled.shape), svd_solver="randomized", random_state=0).fit(scaled)
    return centre, np.asarray(found.components_ / scale)


def _effects(values: np.ndarray, classes: np.ndarray, people: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The means of labels ``(7, k)`` and the offsets of people, which sum to 0, by alternating least squares."""
    means = np.zeros((CLASSES, values.shape[1]))
    offsets = np.zeros((int(people.max()) + 1, values.shape[1]))
    there = np.unique(classes)
    for _ in range(_ROUNDS):
        left = values - offsets[people]
        for label in there:
            means[label] = left[classes == label].mean(0)
        left = values - means[classes]
        offsets = np.stack([left[people == person].mean(0) for person in range(len(offsets))])
        offsets -= offsets.mean(0)
    means[np.setdiff1d(np.arange(CLASSES), there)] = means[there].mean(0)
    return means, offsets
