"""``merc bench heads``: voice and face heads on random splits, as in Wang and Beigi 2025, and on person-disjoint ones.

Every figure is a record with its interval, by class and over seeds; a table shows each step from the frozen identity
embedding to the features in use.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merc.benchmarks.code import code_version
from merc.benchmarks.heads.cell import Cell, CellResult
from merc.benchmarks.heads.feature_sets import STEPS, FeatureSets, Step
from merc.benchmarks.heads.splits import DIVISIONS, Division
from merc.benchmarks.titles import settings
from merc.cache import Cache
from merc.errors import InputError
from merc.evaluation.protocol import Ledger
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.reporting import leaderboard
from merc.reporting.card_page import rows as table
from merc.reporting.markdown import joined
from merc.reporting.printing import NONE, figure, number
from merc.reporting.records import Record, measured
from merc.reporting.results_page import Section

MODALITIES = ("voice", "face")
SECTION = "adapt-heads"
METRICS = ("accuracy", "macro_f1")
VALIDATION = ":validation"
"""Ends the protocol's name of a figure on the part that chose the epoch, which is what the paper reports."""

PAPER: Mapping[str, tuple[float, str, str]] = {
    f"voice-random{VALIDATION}": (
        0.69,
        "Wang & Beigi 2025, voice MLP",
        "with CREMA-D, 512-d embeddings of another encoder",
    ),
    f"face-random{VALIDATION}": (0.825, "Wang & Beigi 2025, face MLP", "another draw of 15 %"),
}

PER_PERSON = (
    "each column standardised within each person, test people included, without labels: it needs a person's other "
    "recordings"
)
"""The note of rows whose features are normalised by person."""

NOTE = (
    "Heads on frozen features; intervals resample people, or items where nobody is named. The best checkpoint is that "
    "of the highest macro F1 on validation. *Validation* rows are the part that chose it, the kind of figure that Wang "
    "& Beigi 2025 report. Where items are drawn at random the same speakers are in train and test: the difference to "
    "the speaker-disjoint rows is in-sample leakage. Folds are pooled: each item is tested once."
)


@dataclass(frozen=True, slots=True)
class HeadsOptions:
    """What the bench of heads covers; raises InputError for a value that cannot be used."""

    data: Path
    """The folder of all corpora."""
    modalities: tuple[str, ...] = MODALITIES
    """Which heads."""
    only: tuple[str, ...] = ()
    """Divisions by name; none: all of them."""
    seeds: int = 3
    """Runs of each head, with seeds 0, 1, 2, …"""
    threads: int = 1
    """CPU threads for torch."""

    def __post_init__(self) -> None:
        if not self.modalities or set(self.modalities) - set(MODALITIES):
            raise InputError(f"modalities {', '.join(self.modalities) or 'none'}: expected {' or '.join(MODALITIES)}")
        if self.seeds < 1 or self.threads < 1:
            raise InputError(f"{self.seeds} seeds, {self.threads} threads: expected at least 1 of each")
        for name in self.only:
            if DIVISIONS[name].modality not in self.modalities:
                raise InputError(f"division '{name}' is of the {DIVISIONS[name].modality}, which --modality leaves out")


@dataclass(frozen=True, slots=True)
class Report:
    """The records of a bench of heads, two for each step on each division: accuracy and macro F1."""

    options: HeadsOptions
    records: tuple[Record, ...]

    def json(self) -> str:
        """The records, one JSON object a line."""
        return "\n".join(json.dumps(record.to_dict(), ensure_ascii=False) for record in self.records)

    def tables(self) -> str:
        """For each modality: the divisions, the steps, and recall by class."""
        parts = []
        for modality in self.options.modalities:
            own = [record for record in self.records if record.modalities == (modality,)]
            parts += [f"### {modality.capitalize()}", _divisions(own), _steps(own), _classes(own)]
        return "\n\n".join(part for part in parts if part)

    def section(self) -> Section:
        """Its section on the pages of results: the tables, the command that makes them, and the settings."""
        words = ["merc bench heads", f"--seeds {self.options.seeds}"]
        words += [f"--only {name}" for name in self.options.only]
        words += [f"--modality {name}" for name in self.options.modalities if len(self.options.modalities) == 1]
        parts = [
            "## Voice and face heads",
            f"Made by `{' '.join(words)}`. {NOTE}",
            self.tables(),
            settings(self.records),
        ]
        return Section("heads", SECTION, joined(parts), self.records)

    def pictures(self) -> Mapping[str, str]:
        """None."""
        return {}

    def saved(self) -> Report:
        """The same without folders of this machine."""
        return replace(self, options=replace(self.options, data=Path("data")))


def run_bench(options: HeadsOptions, *, cache: Cache | None = None, progress: Progress | None = None) -> Report:
    """Run the cells that have no result yet and read all; a stopped bench resumes with the cells that are missing.

    Raises InputError for corpora that are missing, WeightError for a missing encoder.
    """
    store = cache or Cache()
    ledger = Ledger(store.root.parent / "bench" / "heads.jsonl")
    records: list[Record] = []
    for modality in options.modalities:
        pairs = list(planned(modality, options.only))
        feature_sets = FeatureSets(modality, options.data, threads=options.threads, cache=store, progress=progress)
        for finished, (step, division) in enumerate(pairs, start=1):
            features = feature_sets.of(step, division)
            training = step.options(threads=options.threads)
            cells = {seed: Cell(step.name, features, training, seed, step.linear) for seed in range(options.seeds)}
            found = {seed: cell.results(cache=store, ledger=ledger) for seed, cell in cells.items()}
            records += [
                replace(
                    record,
                    settings={"head": cells[0].settings},
                    notes=(PER_PERSON,) if step.by_person else (),
                    feature_hashes={modality: features.sha256},
                    code=code_version(),
                )
                for record in _records(step, division, found)
            ]
            if progress:
                progress(f"{modality} heads", finished, len(pairs))
    return Report(options, tuple(records))


def planned(modality: str, only: Sequence[str] = ()) -> Iterator[tuple[Step, Division]]:
    """The steps of a modality on its divisions: all where steps are compared, else the shipped and the best ones."""
    for division in DIVISIONS.values():
        if division.modality == modality and (not only or division.name in only):
            for step in STEPS:
                if step.modality == modality and (division.compared or step.shipped or step.best):
                    yield step, division


def _records(step: Step, division: Division, found: Mapping[int, Sequence[CellResult]]) -> Iterator[Record]:
    """Accuracy and macro F1 on the test parts and, for a validated division, on the validation part."""
    results = [one for folds in found.values() for one in folds]
    parts = {division.name: {seed: [one.test for one in folds] for seed, folds in found.items()}}
    if division.validated:
        name = f"{division.name}{VALIDATION}"
        parts[name] = {seed: [one.valid for one in folds] for seed, folds in found.items()}
    for name, runs in parts.items():
        for metric in METRICS:
            protocol = replace(division.protocol, name=name, metric=metric)
            record = measured(runs, protocol=protocol, system=step.name, modalities=(step.modality,))
            seconds = sum(one.seconds for one in results) / len(found)
            yield _with_published(replace(record, parameters=results[0].parameters, train_seconds=seconds))


def _with_published(record: Record) -> Record:
    """The record with the published figure, and why it is not comparable if its part chose the epoch."""
    if record.protocol.endswith(VALIDATION):
        record = replace(record, comparable=False, why=f"the part that chose the epoch; {record.why}")
    if record.protocol in PAPER and record.metric == "accuracy":
        published, source, other = PAPER[record.protocol]
        record = replace(record, published=published, source=f"{source} ({other})")
    return record


def _pairs(records: Sequence[Record]) -> Iterator[tuple[Record, Record]]:
    """Accuracy and macro F1 of the same step on the same division."""
    second = {(r.protocol, r.system): r for r in records if r.metric == METRICS[1]}
    yield from ((r, second[r.protocol, r.system]) for r in records if r.metric == METRICS[0])


def _divisions(records: Sequence[Record]) -> str:
    """A row for each division and each step that is measured everywhere."""
    everywhere = {step.name for step in STEPS if step.shipped or step.best}
    rows = [
        (
            _title(first.protocol),
            f"{sum(first.label_counts.values()):,}",
            f"{first.system}{' (shipped)' if first.system in _shipped() else ''}",
            leaderboard.figure(first),
            leaderboard.figure(second),
            " ".join(number(value) for value in first.folds.values()) or NONE,
            f"{number(first.published)} ({first.source})" if first.published else "",
        )
        for first, second in _pairs(records)
        if first.system in everywhere
    ]
    return table(("measured on", "items", "head on", "accuracy", "macro F1", "folds, accuracy", "published"), rows)


def _steps(records: Sequence[Record]) -> str:
    """The ablation: a row for each step, a pair of columns for each division that compares."""
    compared = [name for name, division in DIVISIONS.items() if division.compared]
    columns = [name for name in dict.fromkeys(r.protocol for r in records) if name.removesuffix(VALIDATION) in compared]
    cells = {(first.system, first.protocol): pair for pair in _pairs(records) for first in pair[:1]}
    rows = []
    for step in STEPS:
        found = [cells.get((step.name, name)) for name in columns]
        if any(found):
            rows.append((step.name, *(_short(pair) for pair in found)))
    if not rows:
        return ""
    head = ("step", *(f"{_title(name)}: accuracy / macro F1" for name in columns))
    return f"Each step from the frozen embedding on:\n\n{table(head, rows)}"


def _classes(records: Sequence[Record]) -> str:
    """Recall by class of the steps that are measured everywhere."""
    everywhere = {step.name for step in STEPS if step.shipped or step.best}
    rows = [
        (
            _title(record.protocol),
            record.system,
            *(number(record.recalls[label]) if label in record.recalls else NONE for label in EKMAN7),
        )
        for record in records
        if record.metric == METRICS[0] and record.system in everywhere
    ]
    return f"Recall by class in percent, mean over seeds:\n\n{table(('measured on', 'head on', *EKMAN7), rows)}"


def _title(protocol: str) -> str:
    """What a protocol is called in a table."""
    name = protocol.removesuffix(VALIDATION)
    title = TITLES.get(name, name)
    return f"validation, {title}" if name != protocol else title


TITLES: Mapping[str, str] = {
    "voice-random": "random split: speakers on both sides",
    "speech3-speaker": "speaker-disjoint, five folds",
    "ravdess-speaker": "RAVDESS alone, speaker-disjoint",
    "voice-without-ravdess": "trained without RAVDESS, tested on it",
    "voice-without-savee": "trained without SAVEE, tested on it",
    "voice-without-tess": "trained without TESS, tested on it",
    "face-random": "random split of 15,648 faces",
    "rafdb": "RAF-DB, official test",
    "ckplus-subject": "CK+, subject-disjoint, six classes",
    "face-without-ckplus": "trained on RAF-DB, tested on CK+",
    "face-without-rafdb": "trained on CK+, tested on RAF-DB, six classes",
}


def _shipped() -> set[str]:
    return {step.name for step in STEPS if step.shipped}


def _short(pair: tuple[Record, Record] | None) -> str:
    if pair is None:
        return NONE
    return " / ".join(figure(one.mean, sd=one.sd or None, metric=one.metric) for one in pair)
