"""The network of a head at run time: three linear layers in numpy, rectifiers between them."""

from __future__ import annotations

import numpy as np

from merc.labels import EKMAN7

Weights = dict[str, np.ndarray]
CLASSES = len(EKMAN7)
LARGE = 1_000_000  # bytes of a layer in float32, above which half of them are saved


def rounded(weight: np.ndarray) -> np.ndarray:
    """A layer of more than a million bytes at the precision in which it is stored (float16), any other as it is."""
    return weight.astype(np.float16).astype(np.float32) if weight.nbytes > LARGE else weight


def stored(weights: Weights) -> Weights:
    """The layers as they are written to a file: float16 where ``rounded`` has rounded them, so that nothing is lost."""
    return {name: layer.astype(np.float16) if layer.nbytes > LARGE else layer for name, layer in weights.items()}


def hidden(weights: Weights, vectors: np.ndarray) -> np.ndarray:
    """The emotion vectors: the second hidden layer after its ReLU, ``(n, 128)`` float32."""
    state = np.asarray(vectors, dtype=np.float32)
    for number in range(2):
        state = np.maximum(state @ weights[f"weight_{number}"].T + weights[f"bias_{number}"], 0)
    return state


def logits(weights: Weights, vectors: np.ndarray) -> np.ndarray:
    """What the softmax takes, before any calibration: ``(n, 7)`` float64."""
    result: np.ndarray = (hidden(weights, vectors) @ weights["weight_2"].T + weights["bias_2"]).astype(np.float64)
    return result
