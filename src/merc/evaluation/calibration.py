"""Do confidences mean what they say: how far they are off, and the few numbers that put them right.

Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017): temperature and vector scaling. Logits and
probabilities are ``(items, classes)``, annotated classes are numbers ``(items,)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from merc.errors import InputError

_LARGEST = 20.0  # a temperature beyond this leaves no information


@dataclass(frozen=True, slots=True)
class Calibration:
    """What temperature scaling did: the temperature, and the calibration error and log loss before and after it."""

    temperature: float
    error_before: float
    error_after: float
    loss_before: float
    loss_after: float


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


def scaled(valid: tuple[np.ndarray, np.ndarray], test: tuple[np.ndarray, np.ndarray], *, bins: int = 15) -> Calibration:
    """Fit a temperature on validation and measure on test; each argument is ``(logits, true)``.

    Raises InputError for an empty part and for values that are not finite.
    """
    for name, (logits, true) in (("validation", valid), ("test", test)):
        _checked(logits, true)
        if not len(true):
            raise InputError(f"{name} holds no item: a temperature needs some to be fitted and measured on")
    temperature = fit_temperature(*valid)
    before, after = softmax(test[0]), softmax(test[0] / temperature)
    return Calibration(
        temperature,
        expected_calibration_error(before, test[1], bins=bins),
        expected_calibration_error(after, test[1], bins=bins),
        log_loss(before, test[1]),
        log_loss(after, test[1]),
    )


def risk_coverage(probabilities: np.ndarray, true: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What abstention buys: thresholds, the share of items that reach each, and the share of errors among those.

    One point for each distinct confidence, highest first, so coverage rises to 1 and the last risk is that of answering
    always. Raises InputError without items.
    """
    _checked(probabilities, true)
    if not len(true):
        raise InputError("no item: a risk-coverage curve needs at least one")
    confidence, wrong = probabilities.max(1), probabilities.argmax(1) != true
    order = np.argsort(-confidence, kind="stable")
    kept, errors = np.arange(1, len(true) + 1), np.cumsum(wrong[order])
    last = np.flatnonzero(np.append(np.diff(confidence[order]) != 0, True))  # equal confidences come together
    return confidence[order][last], kept[last] / len(true), errors[last] / kept[last]


def area_under_risk(probabilities: np.ndarray, true: np.ndarray) -> float:
    """AURC (Geifman and El-Yaniv 2017): the mean over items of the risk among items at least as confident."""
    _, covered, risk = risk_coverage(probabilities, true)
    return float((risk * np.diff(covered, prepend=0.0)).sum())


def _checked(values: np.ndarray, true: np.ndarray) -> None:
    if values.ndim != 2 or len(values) != len(true):
        raise InputError(f"values of shape {values.shape} for {len(true)} annotated items: expected (items, classes)")
    if not np.isfinite(values).all():
        place = int(np.flatnonzero(~np.isfinite(values).all(axis=1))[0])
        raise InputError(f"item {place} has values {values[place].tolist()}: expected finite numbers")
