"""The record of a measurement: everything needed to judge and to repeat a figure, as one line of JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import replacing
from merc.errors import FormatError, InputError
from merc.evaluation.metrics import NAMES, REGRESSION, STATISTICS, lowest, metrics_of
from merc.evaluation.protocol import Protocol
from merc.evaluation.resampling import AnyRuns, Runs, estimate, runs_of
from merc.evaluation.scoring import Answers, Values, pooled

FORMAT = 2
"""Version of the fields; written into every line."""
TRANSDUCTIVE = "transductive"
"""In a note: a normalisation whose mean and standard deviation were computed on test utterances, without labels."""


@dataclass(frozen=True, slots=True)
class Record:
    """One system under one protocol: figures of the pooled test utterances of all folds, and all that they depend on.

    Figures are shares from 0 to 1; those of predicted values are as their metric has them (CCC, τ-b and r from -1 to 1,
    MAE in the unit of the values).

    Attributes:
        protocol: Name of the protocol.
        system: Name of the system.
        modalities: What it read.
        metric: Name of the metric.
        mean: Mean over ``seeds``.
        sd: Spread over seeds as a standard deviation; None for one seed.
        n: Number of seeds.
        low: Lower end of the 95 % interval of the mean over resampled dialogues.
        high: Upper end.
        seeds: The seeds.
        label_counts: Test utterances of each class; under a regression, of each dimension.
        variant: What options made of the system, such as which pretrained model it holds.
        published: The figure that the source prints.
        source: Where it is printed.
        comparable: Whether the figure may be compared with others of its protocol, and with the published one.
        why: Why not.
        parameters: Trained parameters.
        source_parameters: The same of the source's configuration on these inputs, where the system has one.
        train_seconds: Seconds of training of one seed, all folds together.
        feature_hashes: By modality the hash of the features' content.
        weight_hash: Hash of the weights that were measured, where there is one file.
        best_test_epoch_figure: What choosing the epoch on test would have claimed: not a result.
        figures: Other metrics, means over seeds; those of one dimension are named "ccc valence".
        recalls: Recall of each class.
        folds: The figure of each fold, by its place from 1.
        settings: Every option of system and recipe as they ran, defaults included.
        notes: What was done to the features and on whose data it was computed, in sentences.
        code: Hash of the source modules that the figure depends on.

    Raises:
        InputError: A figure that its metric cannot have, seeds that are not n, a record that is not comparable without
            saying why, or a published figure without a source.
    """

    protocol: str
    system: str
    modalities: tuple[str, ...]
    metric: str
    mean: float
    sd: float | None
    n: int
    low: float
    high: float
    seeds: tuple[int, ...]
    label_counts: Mapping[str, int]
    variant: str = ""
    published: float | None = None
    source: str | None = None
    comparable: bool = True
    why: str | None = None
    parameters: int | None = None
    source_parameters: int | None = None
    train_seconds: float | None = None
    feature_hashes: Mapping[str, str] = field(default_factory=dict)
    weight_hash: str | None = None
    best_test_epoch_figure: float | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    recalls: Mapping[str, float] = field(default_factory=dict)
    folds: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    code: str = ""

    def __post_init__(self) -> None:
        where = f"record of {self.system} under {self.protocol}"
        own = {"mean": self.mean, "low": self.low, "high": self.high, "published": self.published}
        own |= {"best_test_epoch_figure": self.best_test_epoch_figure, **self.folds}
        for name, value in own.items():
            _refuse_impossible(f"{where}: {name}", value, self.metric)
        for name, value in self.figures.items():
            _refuse_impossible(f"{where}: {name}", value, name.partition(" ")[0])
        if self.sd is not None and not (math.isfinite(self.sd) and self.sd >= 0):
            raise InputError(f"{where}: sd is {self.sd}; expected a number from 0")
        if self.n != len(self.seeds) or not self.n:
            raise InputError(f"{where}: n is {self.n} for seeds {list(self.seeds)}; expected one run a seed")
        if not self.comparable and not self.why:
            raise InputError(f"{where}: it is not comparable; say why")
        if self.published is not None and not self.source:
            raise InputError(f"{where}: published figure {self.published} without a source; name the paper or table")

    @property
    def name(self) -> str:
        """What a table calls the system: with its variant, such as which pretrained model it holds."""
        marks = "; ".join(filter(None, (self.variant, TRANSDUCTIVE if self.transductive else "")))
        return f"{self.system} ({marks})" if marks else self.system

    @property
    def transductive(self) -> bool:
        """Whether a normalisation was computed on test data, such as each speaker's own mean; its notes say so."""
        return any(TRANSDUCTIVE in note.lower() for note in self.notes)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, fields in order, figures to six digits."""
        return {"format": FORMAT, **{name: _plain(value) for name, value in asdict(self).items()}}


def _refuse_impossible(what: str, value: float | None, metric: str) -> None:
    """Raise InputError for a figure that its metric cannot have; a name that is no metric is a share."""
    if value is None:
        return
    least, most = lowest(metric) if metric in NAMES else 0.0, math.inf if metric == "mae" else 1.0
    if math.isfinite(value) and least <= value <= most:
        return
    if metric in REGRESSION:
        raise InputError(f"{what} is {value}; expected a {NAMES[metric]} from {least:g} to {most:g}")
    raise InputError(f"{what} is {value}; expected a share from 0 to 1 (0.643 for 64.3 %)")


def measured(
    runs: Mapping[int, Sequence[Answers]] | Mapping[int, Sequence[Values]],
    *,
    protocol: Protocol,
    system: str,
    modalities: Sequence[str],
) -> Record:
    """The record of a system from its predictions; add the rest with ``dataclasses.replace``.

    A record of a protocol that is not comparable is not comparable either.

    Args:
        runs: For each seed the answers (values under a regression) of every fold, in the protocol's order.
        protocol: The protocol, whose metric is measured.
        system: Name of the system.
        modalities: What it read.

    Raises:
        InputError: Seeds with different folds, or a metric of the other kind.
    """
    if len({len(folds) for folds in runs.values()}) != 1:
        raise InputError(f"system '{system}': seeds {sorted(runs)} have different numbers of folds; finish every run")
    seeds = tuple(sorted(runs))
    by_seed: list[Sequence[Any]] = [runs[seed] for seed in seeds]
    whole = runs_of(system, [pooled(folds) for folds in by_seed])
    found = estimate(whole, metric=protocol.metric)
    return Record(
        protocol=protocol.name,
        system=system,
        modalities=tuple(modalities),
        metric=protocol.metric,
        mean=found.mean,
        sd=found.sd,
        n=found.n,
        low=found.low,
        high=found.high,
        seeds=seeds,
        label_counts=whole.seeds[0].counts,
        comparable=protocol.comparable,
        why=protocol.warning,
        figures={**_figures(whole), **_by_corpus(whole, protocol.corpora)},
        recalls=_recalls(whole) if isinstance(whole, Runs) else {},
        folds=_folds(by_seed, protocol.metric),
    )


def write(records: Iterable[Record], path: Path) -> None:
    """Write records as JSON lines, complete or not at all, in the order given."""
    with replacing(path) as temporary:
        temporary.write_text(dumps(records), encoding="utf-8")


def dumps(records: Iterable[Record]) -> str:
    """Records as JSON lines."""
    return "".join(json.dumps(record.to_dict(), ensure_ascii=False) + "\n" for record in records)


def read(path: Path) -> list[Record]:
    """Read records from JSON lines; raises FormatError naming the line that is not one, InputError without a file."""
    if not path.exists():
        raise InputError(f"no records at {path}: run the bench that writes them first")
    lines = path.read_text(encoding="utf-8").splitlines()
    return [_record(line, f"{path}, line {number}") for number, line in enumerate(lines, 1) if line.strip()]


def _record(line: str, where: str) -> Record:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise FormatError(f"{where}: not JSON ({error}); write the records again") from error
    version = values.pop("format", None) if isinstance(values, dict) else None
    if version != FORMAT:
        raise FormatError(f"{where}: record format {version}; expected {FORMAT}: write the records again")
    if unknown := sorted(set(values) - {entry.name for entry in fields(Record)}):
        raise FormatError(f"{where}: unknown field '{unknown[0]}'; write the records again with this version")
    try:
        listed = {name: tuple(values[name]) for name in ("modalities", "seeds", "notes")}
        return Record(**{**values, **listed})
    except (KeyError, TypeError) as error:
        raise FormatError(f"{where}: field {error} is missing or of another kind; write the records again") from error


def _figures(whole: AnyRuns) -> dict[str, float]:
    """The mean over seeds of every metric of the kind, and of each dimension where there are several."""
    if isinstance(whole, Runs):
        return {name: float(whole.figures(name).mean()) for name in STATISTICS}
    found = {}
    dimensions = whole.seeds[0].dimensions
    for name in metrics_of(dimensions):
        by_dimension = whole.by_dimension(name).mean(0)
        found[name] = float(by_dimension.mean())
        if len(dimensions) > 1:
            found |= {f"{name} {one}": float(value) for one, value in zip(dimensions, by_dimension, strict=True)}
    return {name: value for name, value in found.items() if math.isfinite(value)}  # r of a constant is none


def _by_corpus(whole: AnyRuns, corpora: Sequence[str]) -> dict[str, float]:
    """Accuracy and recall in each corpus of a protocol that joins several, such as "accuracy tess"; else nothing."""
    if not isinstance(whole, Runs) or len(corpora) < 2:
        return {}
    found: dict[str, float] = {}
    for corpus in corpora:
        seeds = tuple(own for run in whole.seeds if (own := run.of_corpora((corpus,))))
        if seeds:
            runs = Runs(whole.name, seeds)
            found |= {
                f"{name} {corpus}": float(runs.figures(name).mean()) for name in ("accuracy", "unweighted_recall")
            }
    return found


def _recalls(whole: Runs) -> dict[str, float]:
    """Mean recall over seeds of each class that has items."""
    total = np.sum([run.matrix for run in whole.seeds], axis=0)
    return {
        name: float(total[place, place] / total[place].sum())
        for place, name in enumerate(whole.seeds[0].labels)
        if total[place].sum()
    }


def _folds(seeds: Sequence[Sequence[Any]], metric: str) -> dict[str, float]:
    """The mean figure over seeds of each fold, by its place from 1; empty where there is one fold."""
    count = len(seeds[0])
    if count == 1:
        return {}
    means = [runs_of("fold", [folds[place] for folds in seeds]).figures(metric).mean() for place in range(count)]
    return {str(place): float(value) for place, value in enumerate(means, 1)}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6)
    if isinstance(value, Mapping):
        return {name: _plain(inner) for name, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
