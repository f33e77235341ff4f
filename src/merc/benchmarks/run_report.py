"""The report of a trained run: figures pooled over folds, with intervals.

Of classes also by class and group, and the calibration: confidences are scaled by the temperature that each fold's
validation part gives. Of values by dimension.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from merc.benchmarks import subset_report
from merc.benchmarks.code import code_version
from merc.benchmarks.subset import Subset
from merc.cache import replacing
from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.evaluation.fairness import Fairness, by_speaker
from merc.evaluation.metrics import DIMENSION_METRICS, RANK_METRICS, SENTIMENT_METRICS, metrics_of
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import Estimate, Runs, ValueRuns, estimate
from merc.evaluation.scoring import Answers, Values, pooled
from merc.recipes.request import Prepared, settled, variant
from merc.recipes.systems import Tested, TestedValues, evaluate, load_run
from merc.reporting import fairness, markdown, predictions
from merc.reporting.diagnostics import Diagnostics, stacked
from merc.reporting.markdown import aligned, joined
from merc.reporting.printing import NONE, figure, number, sentence, title
from merc.reporting.records import Record, measured

T = TypeVar("T", Answers, Values)

FEW = 12
"""Maximum number of speakers that get a row each."""


@dataclass(frozen=True, slots=True)
class RunReport:
    """A run on one part: its record, and the diagnostics drawn from its answers and probabilities.

    ``speakers`` are the figures of each speaker where these are few, else None; ``subset`` is the table of the whole
    part and of what a check keeps of it.
    """

    split: str
    record: Record
    diagnostics: Diagnostics
    speakers: Fairness | None = None
    subset: str = ""

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
        head = _head(self.record, self.split, sentence(self.record.figures))
        speakers = "Speakers (mean recall of the classes):\n\n" + fairness.table(self.speakers) if self.speakers else ""
        return aligned(joined([head, self.subset, self.diagnostics.words(), speakers]))

    def rows(self) -> predictions.Rows:
        """The answer to each utterance."""
        return predictions.of_labels(self.answers, self.probabilities)

    def draw(self, folder: Path) -> list[Path]:
        """Write the confusion matrix and the risk-coverage curve as SVG files into a folder."""
        pictures = {f"{kind}.svg": picture for kind, picture in self.diagnostics.pictures().items()}
        for name, picture in pictures.items():
            with replacing(folder / name) as temporary:
                temporary.write_text(picture, encoding="utf-8")
        return [folder / name for name in pictures]


@dataclass(frozen=True, slots=True)
class ValueReport:
    """A run on one part under a regression: its record, and figures of each dimension.

    ``by_dimension`` holds estimates by dimension and name of metric, ``means`` those of the mean over dimensions. The
    metrics are CCC, r and MAE, of a sentiment also Acc-2 and Acc-7, or where the protocol measures ranks, those of
    ranks.
    """

    split: str
    record: Record
    answers: Values
    by_dimension: Mapping[str, Mapping[str, Estimate]]
    means: Mapping[str, Estimate]

    @classmethod
    def of(cls, split: str, record: Record, answers: Values) -> ValueReport:
        """The report of a record and its answers."""
        extra = [name for name in SENTIMENT_METRICS if name in metrics_of(answers.dimensions)]
        metrics = tuple(RANK_METRICS if record.metric in RANK_METRICS else (*DIMENSION_METRICS, *extra))
        runs = {name: ValueRuns(record.system, (answers.only(name),)) for name in answers.dimensions}
        return cls(
            split,
            record,
            answers,
            {name: _estimates(one, metrics) for name, one in runs.items()},
            _estimates(ValueRuns(record.system, (answers,)), metrics),
        )

    def as_json(self) -> dict[str, Any]:
        """Plain values; "intervals" has value, lower and upper end of each metric by dimension."""
        rows = {**self.by_dimension, "mean": self.means}
        return {
            **self.record.to_dict(),
            "split": self.split,
            "dimensions": list(self.answers.dimensions),
            "intervals": {
                row: {metric: [_plain(end) for end in (one.mean, one.low, one.high)] for metric, one in found.items()}
                for row, found in rows.items()
            },
        }

    def text(self) -> str:
        """The figures for the terminal."""
        counts = self.answers.counts
        rows = [["dimension", "utterances", *map(title, self.means)]]
        for name, found in self.by_dimension.items():
            rows.append([name, f"{counts[name]:,}", *_cells(found)])
        rows.append(["mean", "", *_cells(self.means)])
        dimensions = f"mean over {', '.join(self.answers.dimensions)}; intervals of 95 % in brackets"
        return aligned(joined([_head(self.record, self.split, dimensions), markdown.table(rows)]))

    def rows(self) -> predictions.Rows:
        """The answer to each utterance."""
        return predictions.of_values(self.answers)

    def draw(self, folder: Path) -> list[Path]:
        """Raise InputError: the pictures are of classes."""
        raise InputError(
            f"no pictures for {folder}: they show classes, but {self.record.protocol} is a regression; leave --figures "
            "out"
        )


@dataclass(frozen=True, slots=True)
class JointReport:
    """A run on one part under a protocol of classes and dimensions: the report of each."""

    classes: RunReport
    values: ValueReport

    @property
    def record(self) -> Record:
        """The record of the classes, with the figures of the dimensions beside theirs."""
        own = self.classes.record
        return replace(own, figures={**own.figures, **self.values.record.figures})

    def as_json(self) -> dict[str, Any]:
        """Plain values: those of the classes, and "dimensions" and "intervals" of the values."""
        values = self.values.as_json()
        own = {name: values[name] for name in ("dimensions", "intervals")}
        return {**self.classes.as_json(), "figures": self.record.to_dict()["figures"], **own}

    def text(self) -> str:
        """The figures for the terminal."""
        return joined([self.classes.text(), self.values.text()])

    def rows(self) -> predictions.Rows:
        """The answer to each utterance, labels and values."""
        return predictions.joined(self.classes.rows(), self.values.rows())

    def draw(self, folder: Path) -> list[Path]:
        """Write the pictures of the classes into a folder."""
        return self.classes.draw(folder)


def _estimates(runs: ValueRuns, metrics: Sequence[str]) -> dict[str, Estimate]:
    return {metric: estimate(runs, metric=metric) for metric in metrics}


def _cells(found: Mapping[str, Estimate]) -> list[str]:
    return [
        figure(one.mean, one.low, one.high, metric=metric) if np.isfinite(one.mean) else NONE
        for metric, one in found.items()
    ]


def _plain(value: float) -> float | None:
    """Six digits; None for a figure that is not defined, such as the correlation of a constant."""
    return round(value, 6) if np.isfinite(value) else None


def _head(record: Record, split: str, figures: str) -> str:
    """What was measured, the metric of the protocol with its interval, other figures, and notes."""
    lines = [
        f"{record.name} ({', '.join(record.modalities)}), {record.protocol}, {split}, seed {record.seeds[0]}",
        f"{title(record.metric)} {number(record.mean, record.metric, digits=2)} (95 % interval over dialogues "
        f"{number(record.low, record.metric, digits=2)} to {number(record.high, record.metric, digits=2)})",
        figures,
    ]
    if record.why:
        lines.append(f"not comparable: {record.why}")
    return "\n".join([*lines, *(f"note: {note}" for note in record.notes)])


def report_run(
    folder: Path, *, split: str, data: Path | None = None, device: str | None = None, subset: Path | None = None
) -> RunReport | ValueReport | JointReport:
    """Predict a part of every trained fold and measure; openings of test are recorded in the run's ledger.

    Args:
        folder: What ``merc train --out`` wrote.
        split: "valid" or "test".
        data: The data root (default: ``$MERC_DATA``).
        device: Where it predicts (default: that of the training).
        subset: ``verified.parquet`` of ``merc check``: what it keeps is reported next to the whole part.

    Raises:
        InputError: Another split, a fold that was not trained to its end, or a subset under a regression.
    """
    prepared = load_run(folder, data=data)
    kept = Subset.read(subset) if subset else None
    if kept and prepared.protocol.regression:
        raise InputError(f"{kept.name}: a subset is measured by classes; leave --subset out under a regression")
    found = list(evaluate(folder, split=split, data=data, device=device))
    values = [one for one in found if isinstance(one, TestedValues)]
    if prepared.protocol.regression:
        return _of_values(folder, prepared, values, split=split)
    classes = _of_classes(folder, prepared, [one for one in found if isinstance(one, Tested)], split=split)
    if kept:
        classes = replace(classes, subset=subset_report.table([classes.diagnostics.runs], kept))
    return JointReport(classes, _of_values(folder, prepared, values, split=split)) if values else classes


def _of_values(folder: Path, prepared: Prepared, found: Sequence[TestedValues], *, split: str) -> ValueReport:
    rated = [one.answers if split == "test" else _of(one.fold, one.answers) for one in found]
    return ValueReport.of(split, _record(folder, prepared, found, rated), pooled(rated))


def _of_classes(folder: Path, prepared: Prepared, found: Sequence[Tested], *, split: str) -> RunReport:
    answered = [one.answers if split == "test" else _of(one.fold, one.answers) for one in found]
    record = _record(folder, prepared, found, answered)
    runs = Runs(record.system, (pooled(answered),))
    plain = softmax(stacked([[one.logits for one in found]]))
    scaled = softmax(stacked([[one.logits / one.temperature for one in found]]))
    diagnostics = Diagnostics(f"{record.name} on {record.protocol}, {split}", runs, plain, scaled, record.metric)
    few = 1 < len(set(runs.seeds[0].speakers) - {None}) <= FEW
    return RunReport(split, record, diagnostics, by_speaker(runs) if few else None)


def _record(
    folder: Path, prepared: Prepared, found: Sequence[Tested] | Sequence[TestedValues], answered: Sequence[T]
) -> Record:
    protocol = PROTOCOLS[prepared.request.protocol]
    if protocol.joint and isinstance(found[0], TestedValues):
        protocol = replace(protocol, metric="ccc")
    record = measured(
        {prepared.request.seed: answered},
        protocol=protocol,
        system=prepared.request.system,
        modalities=tuple(prepared.sources),
    )
    origin = _origin(folder, prepared, [one.fold for one in found])
    record = replace(record, **origin)
    why = found[0].incomparable
    return replace(record, comparable=False, why=why) if why else record


def _origin(folder: Path, prepared: Prepared, folds: Sequence[str]) -> dict[str, Any]:
    """What the record depends on: settings as they ran and, from the folds' files, parameters, features and notes."""
    facts = [json.loads((folder / fold / "best.json").read_text(encoding="utf-8")) for fold in folds]
    return {
        "settings": settled(prepared.request),
        "variant": facts[0].get("variant", variant(prepared.request)),
        "parameters": facts[0].get("parameters"),
        "train_seconds": sum(one["seconds"] for one in facts),
        "feature_hashes": facts[0]["features"],
        "notes": tuple(dict.fromkeys(note for one in facts for note in one.get("notes", ()))),
        "code": code_version(),
    }


def _of(fold: str, answers: T) -> T:
    """Answers that name their fold: an utterance may validate in several folds, and is tested in one."""
    ids = tuple(f"{fold} {name}" for name in answers.ids)
    return replace(answers, ids=ids, dialogues=tuple(f"{fold} {name}" for name in answers.dialogues))
