"""The figures of a trained run: pooled over folds, with intervals, by class and group, and how well it knows itself.

Confidences are scaled by the temperature that each fold's validation part gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import replacing
from merc.evaluation.calibration import expected_calibration_error, risk_coverage, softmax
from merc.evaluation.fairness import Fairness, by_gender, by_kind, by_speaker, table
from merc.evaluation.figures import confusion_svg, risk_coverage_svg
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.records import Record, measured
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import Answers, pooled
from merc.training.results import sentence
from merc.training.run import Tested, evaluate, load_run


@dataclass(frozen=True, slots=True)
class Judged:
    """A run on one part: its record, the answers and scaled probabilities ``(n, C)`` behind it, and its groups.

    ``errors`` are the expected calibration error before and after scaling.
    """

    split: str
    record: Record
    answers: Answers
    probabilities: np.ndarray
    errors: tuple[float, float]
    groups: tuple[tuple[str, Fairness], ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            **self.record.to_dict(),
            "split": self.split,
            "classes": list(self.answers.labels),
            "confusion": self.answers.matrix.tolist(),
            "calibration_error": round(self.errors[0], 6),
            "calibration_error_scaled": round(self.errors[1], 6),
            "groups": {
                kind: {group.name: round(group.value, 6) for group in found.groups} for kind, found in self.groups
            },
        }

    def text(self) -> str:
        """The figures for the terminal."""
        record, parts = self.record, ", ".join(self.record.modalities)
        lines = [
            f"{record.system} ({parts}), {record.protocol}, {self.split}, seed {record.seeds[0]}",
            f"{record.metric.replace('_', ' ')} {100 * record.mean:.2f} "
            f"(95 % interval over dialogues {100 * record.low:.2f} to {100 * record.high:.2f})",
            sentence(record.figures),
            f"expected calibration error {self.errors[0]:.3f}, after temperature scaling {self.errors[1]:.3f}",
        ]
        if record.why:
            lines.append(f"not comparable: {record.why}")
        lines += [
            f"  {name:<12} recall {100 * record.recalls[name]:5.1f}  of {count}"
            for name, count in record.label_counts.items()
            if name in record.recalls
        ]
        for kind, found in self.groups:
            lines += ["", f"{found.metric.replace('_', ' ')} by {kind}", table(found)]
        return "\n".join(lines)

    def draw(self, folder: Path) -> list[Path]:
        """Write the confusion matrix and the risk-coverage curve as SVG files into a folder."""
        title = f"{self.record.system} on {self.record.protocol}, {self.split}"
        _, covered, risk = risk_coverage(self.probabilities, self.answers.true)
        pictures = {
            "confusion.svg": confusion_svg(self.answers.matrix, self.answers.labels, title=title),
            "risk-coverage.svg": risk_coverage_svg(covered, risk, title=title),
        }
        for name, picture in pictures.items():
            with replacing(folder / name) as temporary:
                temporary.write_text(picture, encoding="utf-8")
        return [folder / name for name in pictures]


def judge(folder: Path, *, split: str, data: Path | None = None) -> Judged:
    """Answer a part of every fold that was trained and measure; openings of test are recorded in the run's ledger."""
    prepared = load_run(folder, data=data)
    found = list(evaluate(folder, split=split, data=data))
    answered = [one.answers if split == "test" else _of(one.fold, one.answers) for one in found]
    record = measured(
        {prepared.request.seed: answered},
        protocol=PROTOCOLS[prepared.request.protocol],
        system=prepared.request.system,
        modalities=tuple(prepared.sources),
    )
    if why := found[0].incomparable:
        record = replace(record, comparable=False, why=why)
    whole = pooled(answered)
    plain, scaled = (softmax(np.concatenate(logits)) for logits in _logits(found))
    errors = expected_calibration_error(plain, whole.true), expected_calibration_error(scaled, whole.true)
    groups = _groups(Runs(record.system, (whole,)), prepared.corpus)
    return Judged(split, record, whole, scaled, errors, groups)


def _logits(found: Sequence[Tested]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    return [one.logits for one in found], [one.logits / one.temperature for one in found]


def _of(fold: str, given: Answers) -> Answers:
    """Answers that name their fold: an utterance may validate in several folds, and is tested in one."""
    ids = tuple(f"{fold} {name}" for name in given.ids)
    return replace(given, ids=ids, dialogues=tuple(f"{fold} {name}" for name in given.dialogues))


def _groups(runs: Runs, corpus: str) -> tuple[tuple[str, Fairness], ...]:
    """By gender and kind of dialogue on IEMOCAP, by speaker where few speak; nothing where speakers are unknown."""
    chosen = {"gender": by_gender, "kind": by_kind} if corpus == "iemocap" else {}
    if 1 < len(set(runs.seeds[0].speakers) - {None}) <= 12:
        chosen["speaker"] = by_speaker
    return tuple((kind, measure(runs)) for kind, measure in chosen.items())
