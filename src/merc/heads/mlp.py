"""Classifiers over vectors at run time, in numpy: three linear layers with rectifiers between them, and a linear map.

Symbols: n vectors of width d, 7 labels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from merc.labels import EKMAN7
from merc.weights.emotion import hidden

Weights = dict[str, np.ndarray]
CLASSES = len(EKMAN7)
LARGE = 1_000_000  # bytes of a layer in float32, above which half of them are saved


class Classifier(Protocol):
    """Anything that gives logits for vectors."""

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of vectors ``(n, d)``."""


@dataclass(frozen=True, slots=True)
class Mlp:
    """Three linear layers: ``weight_i (out, in)`` and ``bias_i (out,)`` for i = 0, 1, 2."""

    weights: Weights

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return int(sum(layer.size for layer in self.weights.values()))

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of vectors ``(n, d)``."""
        return logits(self.weights, vectors)


@dataclass(frozen=True, slots=True)
class LinearHead:
    """A linear map: ``weight (7, d)`` and ``bias (7,)``."""

    weight: np.ndarray
    bias: np.ndarray

    @property
    def parameters(self) -> int:
        """How many numbers were learned."""
        return int(self.weight.size + self.bias.size)

    def logits(self, vectors: np.ndarray) -> np.ndarray:
        """Logits ``(n, 7)`` float64 of vectors ``(n, d)``."""
        result: np.ndarray = (np.asarray(vectors, np.float32) @ self.weight.T + self.bias).astype(np.float64)
        return result


def rounded(weight: np.ndarray) -> np.ndarray:
    """A layer of more than a million bytes at the precision in which it is stored (float16), any other as it is."""
    return weight.astype(np.float16).astype(np.float32) if weight.nbytes > LARGE else weight


def stored(weights: Weights) -> Weights:
    """The layers as they are written to a file: float16 where ``rounded`` has rounded them, so that nothing is lost."""
    return {name: layer.astype(np.float16) if layer.nbytes > LARGE else layer for name, layer in weights.items()}


def logits(weights: Weights, vectors: np.ndarray) -> np.ndarray:
    """Logits before calibration: ``(n, 7)`` float64."""
    result: np.ndarray = (hidden(weights, vectors) @ weights["weight_2"].T + weights["bias_2"]).astype(np.float64)
    return result
