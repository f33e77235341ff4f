"""Do confidences mean what they say: how far they are off, and the few numbers that put them right.

Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017): temperature and vector scaling. Logits and
probabilities are ``(items, classes)``, annotated classes are numbers ``(items,)``.
"""

from __future__ import annotations

import numpy as np

from merc.errors import InputError

_LARGEST = 20.0  # a temperature beyond this leaves no information


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities over the last axis, float64."""
    shifted = np.asarray(logits, dtype=np.float64)
    powers = np.exp(shifted - shifted.max(axis=-1, keepdims=True))
    result: np.ndarray = powers / powers.sum(axis=-1, keepdims=True)
    return result


def log_loss(probabilities: np.ndarray, true: np.ndarray) -> float:
    """Mean negative log of the probability of the annotated class, in nats; nan without items."""
    _checked(probabilities, true)
    chosen = np.maximum(probabilities[np.arange(len(true)), true], 1e-12)
    return float(-np.log(chosen).mean()) if len(true) else float("nan")


def expected_calibration_error(probabilities: np.ndarray, true: np.ndarray, *, bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over equally wide bins of confidence, weighted by their items."""
    _checked(probabilities, true)
    confidence = probabilities.max(1) if len(true) else np.empty(0)
    right = probabilities.argmax(1) == true if len(true) else np.empty(0)
    places = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[places == place].sum() - right[places == place].sum()) for place in range(bins)]
    return float(sum(gaps) / len(true)) if len(true) else float("nan")


def fit_temperature(logits: np.ndarray, true: np.ndarray) -> float:
    """The temperature by which logits must be divided for the smallest log loss on held-out items."""
    from scipy.optimize import minimize_scalar

    _checked(logits, true)

    def loss(log_temperature: float) -> float:
        return log_loss(softmax(logits / np.exp(log_temperature)), true)

    found = minimize_scalar(loss, bounds=(-np.log(_LARGEST), np.log(_LARGEST)), method="bounded")
    return float(np.exp(found.x))


def fit_bias(logits: np.ndarray, true: np.ndarray, *, penalty: float = 1e-3) -> tuple[float, np.ndarray]:
    """Temperature and a bias for each class, ``softmax(logits / temperature + bias)``, with the smallest log loss.

    The bias moves the head from the class prior of its corpora to that of the items given. ``penalty`` on its squares
    keeps the bias of a rare class finite; the biases sum to zero.
    """
    from scipy.optimize import minimize

    _checked(logits, true)
    classes = logits.shape[1]
    wanted = np.eye(classes)[true]

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        scale, bias = values[0], values[1:]
        probabilities = softmax(logits * scale + bias)
        slope = (probabilities - wanted) / len(true)
        value = log_loss(probabilities, true) + penalty * float(bias @ bias)
        return value, np.concatenate([[float((slope * logits).sum())], slope.sum(0) + 2 * penalty * bias])

    bounds = [(1 / _LARGEST, _LARGEST)] + [(None, None)] * classes
    found = minimize(loss, np.concatenate([[1.0], np.zeros(classes)]), jac=True, method="L-BFGS-B", bounds=bounds)
    bias = found.x[1:]
    return float(1 / found.x[0]), bias - bias.mean()


def fit_trust(evidence: np.ndarray, true: np.ndarray, prior: np.ndarray, *, weights: np.ndarray | None = None) -> float:
    """How far evidence may move a prior: w in [0, 1] with the smallest log loss of ``softmax(log prior + w evidence)``.

    ``evidence`` is log posterior minus log prior of the head's own corpora; ``prior`` is ``(items, classes)``, that of
    the corpus each item comes from, and ``weights`` is how much each item counts.
    """
    from scipy.optimize import minimize_scalar

    def loss(trust: float) -> float:
        return trusted_loss(trust, evidence, true, prior=prior, weights=weights)

    return float(minimize_scalar(loss, bounds=(0.0, 1.0), method="bounded").x)


def trusted_loss(
    trust: float, evidence: np.ndarray, true: np.ndarray, *, prior: np.ndarray, weights: np.ndarray | None = None
) -> float:
    """The log loss of ``softmax(log prior + trust * evidence)``; arguments as for ``fit_trust``."""
    _checked(evidence, true)
    share = np.ones(len(true)) if weights is None else weights
    chosen = softmax(np.log(np.maximum(prior, 1e-9)) + trust * evidence)[np.arange(len(true)), true]
    return float(-(share * np.log(np.maximum(chosen, 1e-12))).sum() / share.sum())


def coverage(probabilities: np.ndarray, true: np.ndarray, thresholds: list[float]) -> list[dict[str, float]]:
    """For each threshold the share of items whose confidence reaches it, and the accuracy among those (nan if none)."""
    _checked(probabilities, true)
    confidence, right = probabilities.max(1), probabilities.argmax(1) == true
    rows = []
    for threshold in thresholds:
        kept = confidence >= threshold
        accuracy = float(right[kept].mean()) if kept.any() else float("nan")
        rows.append({"threshold": threshold, "coverage": float(kept.mean()), "accuracy": accuracy})
    return rows


def _checked(values: np.ndarray, true: np.ndarray) -> None:
    if values.ndim != 2 or len(values) != len(true):
        raise InputError(f"values of shape {values.shape} for {len(true)} annotated items: expected (items, classes)")
