"""A head without hidden layers: ridge regression on frozen vectors, solved exactly.

Where features outnumber examples, as with all layers of an encoder, a strong penalty on a linear map serves people not
met in training better than a network that is stopped early. Symbols: n examples, d features, 7 classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import confusion, macro_f1
from merc.heads.mlp import CLASSES, Weights, logits
from merc.recipes.head_training import Examples, Trained

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Multiples of the features' mean square that are tried; validation chooses."""


def ridge(
    training: Examples, validation: Examples, *, penalties: Sequence[float] = PENALTIES, seed: int = 0
) -> Trained:
    """The linear head with the best macro F1 on ``validation`` (ties: the stronger penalty before the weaker).

    Its weights are those of a network of three layers, two of which only pass on what the first has computed, so that
    whatever reads a head reads this one; ``epoch`` is the place of the penalty. Nothing is drawn: ``seed`` is only
    noted. Raises InputError for fewer than two training examples, no validation example and a penalty not above 0.
    """
    if len(training.classes) < 2 or not len(validation.classes) or min(penalties) <= 0:
        raise InputError(
            f"{len(training.classes)} training, {len(validation.classes)} validation examples, penalties "
            f"{', '.join(map(str, penalties))}: expected at least 2, 1 and numbers above 0"
        )
    tried = _solutions(training, penalties)
    best = Trained(seed, {}, 0, len(penalties), -1.0)
    for place in np.argsort(-np.asarray(penalties)):
        weights = layers(*tried[place])
        predicted = logits(weights, validation.vectors).argmax(1)
        score = macro_f1(confusion(validation.classes, predicted, classes=CLASSES))
        if score > best.validation_macro_f1:
            best = replace(best, weights=weights, epoch=int(place) + 1, validation_macro_f1=score)
    return best


def _solutions(training: Examples, penalties: Sequence[float]) -> list[tuple[np.ndarray, np.ndarray]]:
    """The map ``(7, d)`` and offset ``(7,)`` for each penalty, from the products of the examples ``(n, n)``."""
    from scipy.linalg import solve

    mean, deviation = training.vectors.mean(0), training.vectors.std(0)
    deviation = np.where(deviation > 0, deviation, 1).astype(np.float32)
    scaled = (training.vectors - mean) / deviation  # (n, d)
    targets = np.where(np.arange(CLASSES) == training.classes[:, None], 1.0, -1.0)  # (n, 7)
    products = (scaled @ scaled.T).astype(np.float64)
    level = np.trace(products) / len(products)
    found = []
    for penalty in penalties:
        penalised = products + penalty * level * np.eye(len(products))
        shares = solve(penalised, targets - targets.mean(0), assume_a="pos", overwrite_a=True)  # (n, 7)
        weight = (scaled.T @ shares.astype(np.float32)).T / deviation  # (7, d)
        found.append((weight, targets.mean(0) - weight @ mean))
    return found


def layers(weight: np.ndarray, bias: np.ndarray) -> Weights:
    """A linear map as three layers with rectifiers between them: each sum is carried as its two signed halves."""
    ones = np.eye(CLASSES, dtype=np.float32)
    nothing = np.zeros(2 * CLASSES, np.float32)
    return {
        "weight_0": np.concatenate([weight, -weight]).astype(np.float32),
        "bias_0": np.concatenate([bias, -bias]).astype(np.float32),
        "weight_1": np.eye(2 * CLASSES, dtype=np.float32),
        "bias_1": nothing,
        "weight_2": np.hstack([ones, -ones]),
        "bias_2": nothing[:CLASSES],
    }
