"""Figures of predicted probabilities of the seven labels, as a row of a model card."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from merc.evaluation.calibration import expected_calibration_error, log_loss
from merc.evaluation.metrics import STATISTICS, bootstrap, recall_of
from merc.heads.mlp import CLASSES
from merc.labels import EKMAN7
from merc.recipes.samples import Sample
from merc.reporting import cards


def classes_of(samples: Sequence[Sample]) -> np.ndarray:
    """The numbers of the samples' classes in EKMAN7, ``(n,)`` int64."""
    return np.array([EKMAN7.index(sample.label) for sample in samples], dtype=np.int64)


def measured(
    name: str,
    probabilities: np.ndarray,
    classes: np.ndarray,
    *,
    groups: Sequence[str] | None = None,
    resamples: int = 1000,
) -> cards.Measurement:
    """The figures of predicted probabilities ``(n, 7)``, with 95 % intervals that resample ``groups``."""
    statistics = dict(STATISTICS) | {f"recall {label}": recall_of(n) for n, label in enumerate(EKMAN7)}
    found = bootstrap(
        classes, probabilities.argmax(1), statistics, classes=CLASSES, groups=groups, resamples=resamples, seed=0
    )
    support = np.bincount(classes, minlength=CLASSES)
    intervals: dict[str, cards.Figure] = {name: _triple(found[name].rounded()) for name in STATISTICS}
    return cards.Measurement(
        name=name,
        figures=intervals
        | {
            "log_loss": round(log_loss(probabilities, classes), 4),
            "ece": round(expected_calibration_error(probabilities, classes), 4),
        },
        items=len(classes),
        by_class={
            label: _triple(found[f"recall {label}"].rounded()) if support[n] else None for n, label in enumerate(EKMAN7)
        },
        support={label: int(support[n]) for n, label in enumerate(EKMAN7)},
    )


def _triple(values: Sequence[float]) -> tuple[float, float, float]:
    value, low, high = values
    return value, low, high
