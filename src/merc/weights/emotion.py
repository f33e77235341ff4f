"""Stage 2 of Wang & Beigi 2025 (QC-MERC): two hidden layers that turn an embedding into a 128-d emotion vector.

They are the first layers of a head that tells seven labels apart (``merc train face-head``, ``voice-emotion``); the
emotion vector is the second one after its ReLU.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from merc.cache import file_hash
from merc.errors import WeightError

WIDTH = 128
"""Numbers of an emotion vector."""


def hidden(weights: Mapping[str, np.ndarray], vectors: np.ndarray) -> np.ndarray:
    """The emotion vectors ``(n, 128)`` float32 of embeddings ``(n, d)``: the second hidden layer after its ReLU.

    Args:
        weights: ``weight_i (out, in)`` and ``bias_i (out,)`` of the layers i = 0 and 1.
        vectors: Embeddings; a row of NaN stays one.
    """
    state = np.asarray(vectors, dtype=np.float32)
    for number in range(2):
        state = np.maximum(state @ weights[f"weight_{number}"].T + weights[f"bias_{number}"], 0)
    return state


def read(card: Path) -> dict[str, np.ndarray]:
    """The layers of a head beside its card, float32.

    Args:
        card: JSON of the model card, which names the file and its hash.

    Raises:
        WeightError: The card or the file is missing, or the file is not the one of the card.
    """
    from safetensors.numpy import load_file

    sha256, path = named(card)
    if not path.exists() or file_hash(path) != sha256:
        raise WeightError(f"{path}: missing, or not the file that {card.name} names; train it again or reinstall merc")
    return {name: values.astype(np.float32) for name, values in load_file(path).items()}


def named(card: Path) -> tuple[str, Path]:
    """The hash and the path of the weights of a card; raises WeightError where there is no card."""
    if not card.exists():
        raise WeightError(f"{card} is missing; 'merc train' writes it beside the weights, or reinstall merc")
    weights = json.loads(card.read_text(encoding="utf-8"))["weights"]
    return str(weights["sha256"]), card.parent / str(weights["file"])
