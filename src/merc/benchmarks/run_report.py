"""The report of a trained run: figures pooled over folds, with intervals, by class and group, and its calibration.

Confidences are scaled by the temperature that each fold's validation part gives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.benchmarks.code import code_version
from merc.cache import replacing
from merc.evaluation.calibration import softmax
from merc.evaluation.fairness import Fairness, by_speaker
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import Answers, pooled
from merc.recipes.request import Prepared, settled, variant
from merc.recipes.systems import evaluate, load_run
from merc.reporting.diagnostics import Diagnostics, stacked
from merc.reporting.fairness import table
from merc.reporting.markdown import aligned, joined
from merc.reporting.printing import number, sentence, title
from merc.reporting.records import Record, measured

FEW = 12
"""Up to so many speakers have a row each."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run on one part: its record, and the diagnostics drawn from its answers and probabilities.

    ``speakers`` are the figures of each speaker where these are few, else None.
    """

    split: str
    record: Record
    diagnostics: Diagnostics
    speakers: Fairness | None = None

    @property
    def answers(self) -> Answers:
        """The answers of all folds."""
        return self.diagnostics.runs.seeds[0]

    @property
    def probabilities(self) -> np.ndarray:
        """Scaled probabilities ``(n, C)``."""
        return self.diagnostics.scaled

    @property
    def errors(self) -> tuple[float, float]:
        """The expected calibration error before and after scaling."""
        return self.diagnostics.errors

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        groups = self.diagnostics.groups()
        return {
            **self.record.to_dict(),
            "split": self.split,
            "classes": list(self.answers.labels),
            "confusion": self.answers.matrix.tolist(),
            "calibration_error": round(self.errors[0], 6),
            "calibration_error_scaled": round(self.errors[1], 6),
            "coverage": self.diagnostics.answered(),
            "groups": {
                kind: {group.name: round(group.value, 6) for group in found.groups} for kind, found in groups.items()
            },
        }

    def text(self) -> str:
        """The figures for the terminal."""
        record, parts = self.record, ", ".join(self.record.modalities)
        lines = [
            f"{record.name} ({parts}), {record.protocol}, {self.split}, seed {record.seeds[0]}",
            f"{title(record.metric)} {number(record.mean, record.metric, digits=2)} (95 % interval over dialogues "
            f"{number(record.low, record.metric, digits=2)} to {number(record.high, record.metric, digits=2)})",
            sentence(record.figures),
        ]
        if record.why:
            lines.append(f"not comparable: {record.why}")
        lines += [f"note: {note}" for note in record.notes]
        speakers = f"Speakers (mean recall of the classes):\n\n{table(self.speakers)}" if self.speakers else ""
        return aligned(joined(["\n".join(lines), self.diagnostics.words(), speakers]))

    def draw(self, folder: Path) -> list[Path]:
        """Write the confusion matrix and the risk-coverage curve as SVG files into a folder."""
        pictures = {f"{kind}.svg": picture for kind, picture in self.diagnostics.pictures().items()}
        for name, picture in pictures.items():
            with replacing(folder / name) as temporary:
                temporary.write_text(picture, encoding="utf-8")
        return [folder / name for name in pictures]


def report_run(folder: Path, *, split: str, data: Path | None = None, device: str | None = None) -> RunReport:
    """Predict a part of every trained fold and measure; openings of test are recorded in the run's ledger.

    Args:
        folder: What ``merc train --out`` wrote.
        split: "valid" or "test".
        data: The data root (default: ``$MERC_DATA``).
        device: Where it predicts (default: that of the training).

    Raises:
        InputError: Another split, or a fold that was not trained to its end.
    """
    prepared = load_run(folder, data=data)
    found = list(evaluate(folder, split=split, data=data, device=device))
    answered = [one.answers if split == "test" else _of(one.fold, one.answers) for one in found]
    record = measured(
        {prepared.request.seed: answered},
        protocol=PROTOCOLS[prepared.request.protocol],
        system=prepared.request.system,
        modalities=tuple(prepared.sources),
    )
    record = replace(
        record, variant=variant(prepared.request), **_origin(folder, prepared, [one.fold for one in found])
    )
    if why := found[0].incomparable:
        record = replace(record, comparable=False, why=why)
    runs = Runs(record.system, (pooled(answered),))
    plain = softmax(stacked([[one.logits for one in found]]))
    scaled = softmax(stacked([[one.logits / one.temperature for one in found]]))
    diagnostics = Diagnostics(f"{record.name} on {record.protocol}, {split}", runs, plain, scaled, record.metric)
    few = 1 < len(set(runs.seeds[0].speakers) - {None}) <= FEW
    return RunReport(split, record, diagnostics, by_speaker(runs) if few else None)


def _origin(folder: Path, prepared: Prepared, folds: Sequence[str]) -> dict[str, Any]:
    """What the record depends on: settings as they ran and, from the folds' files, parameters, features and notes."""
    facts = [json.loads((folder / fold / "best.json").read_text(encoding="utf-8")) for fold in folds]
    return {
        "settings": settled(prepared.request),
        "parameters": facts[0].get("parameters"),
        "train_seconds": sum(one["seconds"] for one in facts),
        "feature_hashes": facts[0]["features"],
        "notes": tuple(dict.fromkeys(note for one in facts for note in one.get("notes", ()))),
        "code": code_version(),
    }


def _of(fold: str, answers: Answers) -> Answers:
    """Answers that name their fold: an utterance may validate in several folds, and is tested in one."""
    ids = tuple(f"{fold} {name}" for name in answers.ids)
    return replace(answers, ids=ids, dialogues=tuple(f"{fold} {name}" for name in answers.dialogues))
