"""Principal components for the training of heads on many numbers of a vector; folded into the first layer afterwards.

Symbols: n vectors of d numbers, k components.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from merc.heads.mlp import Weights, rounded

_ROWS = 3000  # vectors from which the components are taken: their number is far below
_PIECE = 2048  # vectors that are projected at a time


@dataclass(frozen=True, slots=True)
class Components:
    """Principal components: ``coordinates = (vectors - mean) @ directions``, ``mean (d,)``, ``directions (d, k)``."""

    mean: np.ndarray
    directions: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, count: int, *, flatness: float) -> Components:
        """The first components of standardised vectors, of mean square 1 together, by the vectors' products.

        Args:
            vectors: ``(n, d)``; at most 3,000 of them, drawn at random, are used.
            count: Of components; fewer where there are not more vectors.
            flatness: Power of a component's deviation by which it is divided: 0 leaves the components as they are, 1
                makes all alike.
        """
        rows = np.sort(np.random.default_rng(0).permutation(len(vectors))[:_ROWS])
        some = vectors[rows]
        mean, deviation = some.mean(0), some.std(0) + 1e-2
        some = (some - mean) / deviation
        values, turned = np.linalg.eigh((some @ some.T).astype(np.float64))
        kept = np.argsort(-values)[: min(count, len(rows) - 1)]
        scale = np.sqrt(np.maximum(values[kept], 1e-9))
        turned, spread = turned[:, kept], scale / np.sqrt(len(rows))
        shrunk = spread**-flatness
        level = np.sqrt(((spread * shrunk) ** 2).mean())
        directions = (some.T @ (turned / scale * shrunk / level).astype(np.float32)) / deviation[:, None]
        return cls(mean, np.asarray(directions, np.float32))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """Coordinates ``(n, k)`` of vectors ``(n, d)``."""
        pieces = [vectors[start : start + _PIECE] - self.mean for start in range(0, len(vectors), _PIECE)]
        return np.concatenate([piece @ self.directions for piece in pieces])

    def folded(self, weights: Weights) -> Weights:
        """The layers over vectors that do what ``weights`` do over coordinates."""
        first = weights["weight_0"] @ self.directions.T  # (hidden, d)
        return {**weights, "weight_0": rounded(first), "bias_0": weights["bias_0"] - first @ self.mean}
