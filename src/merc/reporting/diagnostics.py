"""One system on one test set, closely: its classes, its confidence, whom it serves worse; numbers and pictures.

All seeds count alike: probabilities of all seeds are stacked, and confusion matrices are added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.errors import InputError
from merc.evaluation.calibration import area_under_risk, coverage, expected_calibration_error, risk_coverage
from merc.evaluation.fairness import Fairness, by_gender, by_kind, by_speaker
from merc.evaluation.metrics import f1
from merc.evaluation.resampling import Runs
from merc.reporting import markdown, printing
from merc.reporting.fairness import summary
from merc.reporting.plots import confusion_svg, risk_coverage_svg

THRESHOLDS = (0.0, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Confidences at which the table says how much would still be answered."""

_GROUPS = {"speaker": by_speaker, "gender": by_gender, "dialogue": by_kind}


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """A system's answers with the probabilities behind them.

    ``plain`` and ``scaled`` are probabilities ``(seeds * n, C)`` before and after the temperature that validation gave,
    seed by seed in the order of ``runs``; ``metric`` is that of the protocol. Raises InputError where they do not fit.
    """

    title: str
    runs: Runs
    plain: np.ndarray
    scaled: np.ndarray
    metric: str = "weighted_f1"

    def __post_init__(self) -> None:
        size = len(self.runs.seeds) * len(self.runs.seeds[0]), len(self.runs.seeds[0].labels)
        if self.plain.shape != size or self.scaled.shape != size:
            raise InputError(
                f"{self.title}: probabilities of shape {self.plain.shape} and {self.scaled.shape}; expected {size}"
            )

    @property
    def matrix(self) -> np.ndarray:
        """The confusion matrices of all seeds added: ``(classes, classes)``, rows annotated, columns predicted."""
        total: np.ndarray = np.sum([run.matrix for run in self.runs.seeds], axis=0)
        return total

    @property
    def true(self) -> np.ndarray:
        """The annotated classes beside the probabilities: ``(seeds * n,)``."""
        return np.concatenate([run.true for run in self.runs.seeds])

    @property
    def errors(self) -> tuple[float, float]:
        """Expected calibration error before and after scaling."""
        before, after = (expected_calibration_error(one, self.true) for one in (self.plain, self.scaled))
        return before, after

    def groups(self) -> dict[str, Fairness]:
        """Mean recall by speaker and gender, the protocol's figure by kind of dialogue.

        Only where the groups are known and there are two or more.
        """
        found = {}
        for kind, measure in _GROUPS.items():
            try:
                report = measure(self.runs, metric=self.metric if kind == "dialogue" else "unweighted_recall")
            except InputError:  # nobody has a name, or none of the names tells a gender or kind
                continue
            if len(report.groups) > 1:
                found[kind] = report
        return found

    def words(self) -> str:
        """Tables and sentences in Markdown."""
        groups = self.groups()
        by_whom = "By group, of those with 50 utterances in 5 dialogues or more:\n\n"
        return markdown.joined([self._classes(), self._confidence(), by_whom + summary(groups) if groups else ""])

    def pictures(self) -> Mapping[str, str]:
        """The confusion matrix and the risk-coverage curve as SVG, by name."""
        _, covered, risk = risk_coverage(self.scaled, self.true)
        seeds = len(self.runs.seeds)
        title = self.title + (f", {seeds} seeds added" if seeds > 1 else "")
        return {
            "confusion": confusion_svg(self.matrix, self.runs.seeds[0].labels, title=title),
            "risk-coverage": risk_coverage_svg(covered, risk, title=title),
        }

    def _classes(self) -> str:
        labels, matrix = self.runs.seeds[0].labels, self.matrix
        shares = 100 * matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
        counts, harmonic = self.runs.seeds[0].counts, 100 * f1(matrix)
        rows = [["annotated ↓ predicted →", *labels, "utterances", "F1"]]
        for place, label in enumerate(labels):
            cells = [_bold(f"{share:.1f}", column == place) for column, share in enumerate(shares[place])]
            rows.append([label, *cells, f"{counts[label]:,}", f"{harmonic[place]:.1f}"])
        return "Confusion in percent of the annotated class; the diagonal is its recall:\n\n" + markdown.table(rows)

    def answered(self) -> list[dict[str, float]]:
        """For each of THRESHOLDS the share that gets a label and the accuracy among them."""
        rows = coverage(self.scaled, self.true, list(THRESHOLDS))
        return [{name: round(value, 6) for name, value in row.items() if np.isfinite(value)} for row in rows]

    def _confidence(self) -> str:
        before, after = self.errors
        rows = self.answered()
        table = [
            ["confidence threshold", *(f"{row['threshold']:.1f}" for row in rows)],
            ["coverage", *(printing.number(row["coverage"]) for row in rows)],
            [
                "accuracy on covered",
                *(printing.number(row["accuracy"]) if "accuracy" in row else "none" for row in rows),
            ],
        ]
        area = area_under_risk(self.scaled, self.true)
        said = (
            f"Confidence: expected calibration error {before:.3f}, after the temperature that validation gave "
            f"{after:.3f}. Abstention, in percent (area under the risk-coverage curve {area:.3f}):"
        )
        return markdown.joined([said, markdown.table(table)])


def _bold(text: str, chosen: bool) -> str:
    return f"**{text}**" if chosen else text


def stacked(parts: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Values ``(n, C)`` of the folds of each seed below each other, seed by seed, as ``Diagnostics`` takes them."""
    return np.concatenate([fold for seed in parts for fold in seed])
