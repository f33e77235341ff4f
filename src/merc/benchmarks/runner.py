"""Many systems under the same protocols on the same features: planned, run by several processes, made into records.

Every cell (protocol, system, modalities, seed, fold) has a file of its own, so a bench may be stopped at any time.
"""

from __future__ import annotations

import math
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from multiprocessing import parent_process
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.benchmarks import cell
from merc.benchmarks.cell import Cell, CellResult, Row
from merc.benchmarks.code import code_version
from merc.errors import InputError, MercError
from merc.evaluation import resampling
from merc.evaluation.calibration import expected_calibration_error, softmax
from merc.evaluation.protocol import PROTOCOLS, Protocol
from merc.evaluation.scoring import pooled
from merc.evaluation.significance import Comparison, compare_all
from merc.execution import Engine
from merc.features.spec import FeatureSpec
from merc.options import at_least
from merc.paths import cache_root
from merc.progress import Progress
from merc.recipes.request import Request, corpus_root, read
from merc.reporting.leaderboard import row_name
from merc.reporting.records import Record, measured
from merc.systems import SYSTEMS, Description, Published

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess

Metrics = Callable[[Protocol, Cell], tuple[str, ...]]
"""The metrics by which the row of a cell is measured."""

PublishedFigure = Callable[[Cell, str], Published | None]
"""The published figure of a cell under a metric."""

DEFAULT_PROTOCOLS = ("iemocap6", "iemocap4-session", "meld-7", "cmu-mosi")
"""The protocols of ``merc bench systems``."""


@dataclass(frozen=True, slots=True)
class BenchOptions:
    """What a bench covers; raises InputError for a number that cannot be used."""

    only: tuple[str, ...] = ()
    """Systems; none: every one that the features allow."""
    protocols: tuple[str, ...] = DEFAULT_PROTOCOLS
    """By name."""
    features: Mapping[str, str] | None = None
    """By corpus, as on the command line; None: the usual ones."""
    seeds: int = 3
    """Runs of each system, with seeds 0, 1, 2, …"""
    workers: int = 2
    """Processes, one thread each; 0: one per core, or as many as a cluster has room for."""
    training: Mapping[str, Any] | None = None
    """Changes of every recipe, by name."""
    options: Mapping[str, Any] | None = None
    """Options of the system, by name; for a bench of one system."""
    variants: Mapping[str, tuple[str, ...]] | None = None
    """Of a bench of variants: by name the settings that differ, as on the command line."""
    folder: Path | None = None
    """Where the files of the cells lie; None: the cache."""
    data: Path | None = None
    """The folder of all corpora."""
    subset: Path | None = None
    """``verified.parquet`` of a check: what it keeps is reported next to the whole test part."""
    engine: Engine = field(default_factory=Engine)
    """Whether the cells run on this machine or on a cluster."""

    def __post_init__(self) -> None:
        at_least(1, seeds=self.seeds)
        at_least(0, hint=" (0: one per core)", workers=self.workers)
        object.__setattr__(self, "protocols", tuple(PROTOCOLS[name].name for name in self.protocols))

    @property
    def runs(self) -> Path:
        """The folder of the cells in use."""
        return self.folder or cache_root() / "bench"


@dataclass(frozen=True, slots=True)
class Failed:
    """A cell that failed, with the reason."""

    cell: Cell
    reason: str


def plan(options: BenchOptions) -> list[Cell]:
    """The cells of ``merc bench systems``, in the order of protocols, systems, seeds and folds.

    A system whose needs the features of a corpus do not meet is left out there. Raises UnknownName for a system or
    protocol that is not known, InputError where nothing is left.
    """
    refuse_options_of_several(options)
    names = options.only or tuple(sorted(SYSTEMS))
    cells: list[Cell] = []
    for protocol in options.protocols:
        there = FeatureSpec.parse(features_of(protocol, options))
        for name in names:
            described = SYSTEMS[name].description
            read = tuple(modality for modality in there if modality in described.modalities)
            if read and described.predicts_classes and _meets(described, there):
                cells += cells_of(request(name, protocol, options=options, modalities=read), seeds=options.seeds)
    if not cells:
        raise InputError(f"no system of {', '.join(names)} can read the features of {', '.join(options.protocols)}")
    return cells


def _meets(described: Description, there: FeatureSpec) -> bool:
    """Whether features have what a system needs; a vector is no grid of cells."""
    framed = "cells" in described.reads.values() and there.single
    return set(described.needs) <= set(there) and not framed


def refuse_options_of_several(options: BenchOptions) -> None:
    """Raise InputError for options of a system where not one system is named."""
    if options.options and len(options.only) != 1:
        raise InputError(f"options {', '.join(options.options)} of a system: name that one system alone")


def request(name: str, protocol: str, *, options: BenchOptions, modalities: tuple[str, ...]) -> Request:
    """The request of a system under a protocol; the seed is set later."""
    return Request(
        name,
        protocol,
        features_of(protocol, options),
        modalities,
        options=options.options or {},
        training=options.training or {},
        data=options.data,
    )


def features_of(protocol: str, options: BenchOptions) -> str:
    """The features of a protocol's corpus: those named, or the usual ones."""
    corpus = PROTOCOLS[protocol].corpus
    return (options.features or {}).get(corpus) or str(FeatureSpec.usual(corpus))


def cells_of(request: Request, *, seeds: int, name: str = "", values: bool = False) -> list[Cell]:
    """A request for each seed and fold of its protocol; raises InputError for a regression unless ``values``."""
    if PROTOCOLS[request.protocol].regression and not values:
        raise InputError(
            f"protocol '{request.protocol}' is a regression, and a bench compares classes; use 'merc train' and "
            "'merc evaluate', or a protocol with classes"
        )
    found = []
    for seed in range(seeds):
        seeded = replace(request, seed=seed)
        found += [Cell(seeded, fold, name) for fold in _folds(request.protocol, seed, request.data)]
    return found


@lru_cache(maxsize=64)
def _folds(protocol: str, seed: int, data: Path | None) -> tuple[str, ...]:
    """Names of the folds of a protocol; they are the same for all systems."""
    chosen = PROTOCOLS[protocol]
    corpus = chosen.corpus
    conversations = read(corpus, corpus_root(corpus, data))
    return tuple(fold.name for fold in chosen.folds(conversations, seed=seed))


def run(cells: Sequence[Cell], options: BenchOptions, *, progress: Progress | None = None) -> list[Failed]:
    """Run the cells that have no result yet, in several processes; gives those that failed, with their reasons."""
    missing = [one for one in cells if not one.path(options.runs).exists()]
    done = len(cells) - len(missing)
    failed = []
    with options.engine.open(options.workers, timeout=math.inf) as executor:
        for row in executor.map(Running(options.runs, code_version()), missing):
            done += 1
            if row.reason is not None:
                failed.append(Failed(row.item, row.reason))
            if progress:
                progress("runs", done, len(cells))
    return sorted(failed, key=lambda one: (one.cell.row, one.cell.request.seed, one.cell.fold))


@dataclass(frozen=True, slots=True)
class Running:
    """Builds the function that runs a cell: what an executor is given.

    Attributes:
        folder: Of the files of the cells.
        code: The version of the code that planned them.
    """

    folder: Path
    code: str

    def __call__(self) -> Callable[[Cell], None]:
        """The function, in a process of one thread."""
        _alone()
        return self.run

    def run(self, one: Cell) -> None:
        """Run a cell; whatever it raises is an InputError with the reason, so that other cells run on."""
        try:
            cell.run(one, self.folder, code=self.code)
        except MercError as error:
            raise InputError(str(error)) from error
        except Exception as error:
            raise InputError(f"{type(error).__name__}: {error}") from error


def _alone() -> None:
    """One thread in a worker, as processes are what runs side by side; and it ends when its parent is killed."""
    import torch

    torch.set_num_threads(1)
    if (parent := parent_process()) is not None:
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Records of all rows that are finished, what differs significantly, and the rows that are not finished."""

    records: tuple[Record, ...]
    comparisons: Mapping[str, tuple[Comparison, ...]]
    unfinished: tuple[str, ...] = ()


def usual_metrics(protocol: Protocol, one: Cell) -> tuple[str, ...]:
    """The metric of a protocol, and weighted F1."""
    return tuple(dict.fromkeys((protocol.metric, "weighted_f1")))


def outcome(
    cells: Sequence[Cell],
    options: BenchOptions,
    *,
    published: PublishedFigure | None = None,
    metrics: Metrics = usual_metrics,
    same_features: bool = True,
) -> Outcome:
    """Read the results and make a record of each row and metric.

    Args:
        cells: The plan.
        options: Of the bench.
        published: Gives the published figure of a row; by default that of the system's description.
        metrics: Gives the metrics of a row.
        same_features: Whether rows of one protocol must read the same features.

    Raises:
        InputError: Rows of one protocol depend on different features.
    """
    rows: dict[Row, list[Cell]] = {}
    for one in cells:
        rows.setdefault(one.row, []).append(one)
    done = {row: results(own, options.runs) for row, own in rows.items()}
    unfinished = tuple(f"{row[1]} ({'+'.join(row[2])}) under {row[0]}" for row, found in done.items() if found is None)
    records: list[Record] = []
    comparisons: dict[str, tuple[Comparison, ...]] = {}
    for protocol in dict.fromkeys(row[0] for row in rows):
        finished = {row: found for row, found in done.items() if row[0] == protocol and found is not None}
        if same_features:
            _refuse_other_features(finished)
        wanted = {row: metrics(PROTOCOLS[protocol], rows[row][0]) for row in finished}
        for metric in dict.fromkeys(one for own in wanted.values() for one in own):
            chosen = {row: found for row, found in finished.items() if metric in wanted[row]}
            made = [
                _record(row, found, metric=metric, published=published or described) for row, found in chosen.items()
            ]
            records += made
            runs = [runs_of(row_name(record), found) for record, found in zip(made, chosen.values(), strict=True)]
            if len(runs) > 1:
                comparisons[f"{protocol} {metric}"] = tuple(compare_all(runs, metric=metric, resamples=2000))
    return Outcome(tuple(records), comparisons, unfinished)


Results = list[tuple[Cell, CellResult]]
"""The cells of a row, each with its result."""


def results(cells: Sequence[Cell], folder: Path) -> Results | None:
    """The results of a row's cells, or None while one is missing."""
    if not all(one.path(folder).exists() for one in cells):
        return None
    return [(one, cell.read(one, folder)) for one in cells]


def _refuse_other_features(finished: Mapping[Row, Results]) -> None:
    seen: dict[tuple[str, int, str], str] = {}
    for found in finished.values():
        for one, done in found:
            for modality, sha256 in done.features.items():
                first = seen.setdefault((one.fold, one.request.seed, modality), sha256)
                if first != sha256:
                    raise InputError(
                        f"{one.row[1]} under {one.row[0]}, fold {one.fold}: its {modality} features have hash "
                        f"{sha256[:12]}…, those of other rows {first[:12]}…; compare systems on the same features: "
                        "give another --out"
                    )


def by_seed(found: Results) -> dict[int, list[CellResult]]:
    """The results of each seed, in the order of the folds."""
    seeds: dict[int, list[CellResult]] = {}
    for one, result in found:
        seeds.setdefault(one.request.seed, []).append(result)
    return seeds


def runs_of(name: str, found: Results) -> Any:
    """The pooled answers of each seed: ``Runs`` of classes, ``ValueRuns`` under a regression."""
    return resampling.runs_of(name, [_pooled(folds) for folds in by_seed(found).values()])


def _pooled(folds: Sequence[CellResult]) -> Any:
    answers: list[Any] = [one.answers for one in folds]
    return pooled(answers)


def measured_row(row: Row, found: Results, *, metric: str) -> Record:
    """The record of a row's answers on a metric."""
    protocol, name, modalities = row
    answers: dict[int, Any] = {seed: [one.answers for one in folds] for seed, folds in by_seed(found).items()}
    chosen = replace(PROTOCOLS[protocol], metric=metric)
    return measured(answers, protocol=chosen, system=name, modalities=modalities)


def _record(row: Row, found: Results, *, metric: str, published: PublishedFigure) -> Record:
    record = measured_row(row, found, metric=metric)
    claimed = [done.best_test_epoch_figure for _, done in found if done.best_test_epoch_figure is not None]
    first, one = found[0]
    calibration = _calibration([done for _, done in found]) if claimed else {}
    record = replace(
        record,
        variant=one.variant,
        parameters=one.parameters,
        source_parameters=one.source_parameters,
        train_seconds=sum(done.seconds for _, done in found) / record.n,
        feature_hashes=one.features,
        figures={**record.figures, **calibration},
        best_test_epoch_figure=sum(claimed) / len(claimed) if claimed and metric == PROTOCOLS[row[0]].metric else None,
        settings=one.settings,
        notes=tuple(dict.fromkeys(note for _, done in found for note in done.notes)),
        code=one.code,
    )
    if one.incomparable:
        record = replace(record, comparable=False, why=one.incomparable)
    return _with_published(record, published(first, metric), SYSTEMS[first.request.system].description.modalities)


def _calibration(done: Sequence[CellResult]) -> dict[str, float]:
    """Expected calibration error before and after the temperatures that validation gave, over all seeds and folds."""
    true = np.concatenate([one.answers.true for one in done])
    plain = softmax(np.concatenate([one.logits for one in done]))
    scaled = softmax(np.concatenate([one.logits / one.temperature for one in done]))
    errors = [expected_calibration_error(probabilities, true) for probabilities in (plain, scaled)]
    return dict(zip(("calibration_error", "calibration_error_scaled"), errors, strict=True))


def described(one: Cell, metric: str) -> Published | None:
    """The figure that the system's source prints for this protocol and metric."""
    for figure in SYSTEMS[one.request.system].description.published:
        if (figure.protocol, figure.metric) == (one.request.protocol, metric):
            return figure
    return None


def _with_published(record: Record, figure: Published | None, able: Sequence[str]) -> Record:
    """The record with a published figure; ``able``: the modalities behind it where it does not name them."""
    if figure is None:
        return record
    theirs = figure.modalities or able
    alike = set(theirs) == set(record.modalities)
    why = [record.why, figure.why, "" if alike else f"it reads {' + '.join(theirs)}"]
    return replace(
        record,
        published=figure.value / 100,
        source=figure.source,
        comparable=record.comparable and figure.comparable and alike,
        why="; ".join(filter(None, why)) or None,
    )
