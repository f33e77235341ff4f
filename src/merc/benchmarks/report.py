"""A bench from its plan to its tables: run, measured, and written into a page of results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merc.benchmarks import runner, subset_report, table2, table2_report, titles, variants
from merc.benchmarks.cell import Cell, Row
from merc.benchmarks.runner import BenchOptions, Outcome, Results
from merc.benchmarks.speech import suite
from merc.benchmarks.subset import Subset
from merc.cache import replacing
from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.evaluation.fairness import by_kind
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import AnyRuns
from merc.progress import Progress
from merc.reporting import charts, latex, leaderboard
from merc.reporting.diagnostics import Diagnostics, stacked
from merc.reporting.leaderboard import row_name, short_names
from merc.reporting.markdown import joined
from merc.reporting.records import Record
from merc.reporting.results_page import Section, slug

REFERENCE = "concat"
"""The system that every other one is compared with: it reads each utterance alone."""

CAUTIONS: Mapping[str, str] = {
    "cmu-mosi": "The text and video values released with CMU-MOSI were fitted to the labels of its training videos, as "
    "[a linear probe](probes.md) shows (`bench/mosi_leak.py`). Validation, which must be drawn from "
    "training, cannot choose an epoch here. Compare `--features cmu-mosi:text=mpnet,voice=opensmile73`."
}
"""What a reader must know of a protocol with the default features."""

CLOSER_LOOK = (
    "The row with the highest figure above, and so chosen by looking at test; all its seeds count alike. Probabilities "
    "are scaled by the temperature that the validation part of each fold gave."
)
"""Explains which row the diagnostics are of."""

PLANS: Mapping[str, Callable[[BenchOptions], list[Cell]]] = {
    "systems": runner.plan,
    "paper": table2.plan,
    "variants": variants.plan,
    "speech": suite.plan,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of a section: its name, what it shows, and its SVG, which is a file of its own where it is saved."""

    name: str
    shows: str
    svg: str = ""


@dataclass(frozen=True, slots=True)
class CloserLook:
    """The diagnostics of one row in words and pictures."""

    title: str
    words: str
    pictures: tuple[Picture, ...] = ()

    @classmethod
    def of(cls, found: Diagnostics, name: str) -> CloserLook:
        """From diagnostics; the names of the pictures begin with ``name``."""
        drawn = found.pictures().items()
        pictures = [Picture(f"{slug(f'{name} {kind}')}.svg", f"{found.title}: {kind}", svg) for kind, svg in drawn]
        return cls(found.title, found.words(), tuple(pictures))

    def text(self) -> str:
        """Its part of the section."""
        shown = [f"![{one.shows}](pictures/{one.name})" for one in self.pictures]
        return joined([f"#### {self.title}: a closer look", CLOSER_LOOK, self.words, *shown])


@dataclass(frozen=True, slots=True)
class Report:
    """The result of a bench.

    Attributes:
        kind: One of ``PLANS``.
        options: Of the bench.
        outcome: Records and comparisons.
        failures: The runs that failed, with their reasons.
        closer: By protocol the diagnostics of one row.
        title: That of the section where the options do not say it.
        columns: By protocol further columns of its table.
        beside: By protocol the table of the whole test part and of what a check keeps of it.
    """

    kind: str
    options: BenchOptions
    outcome: Outcome
    failures: tuple[str, ...] = ()
    closer: Mapping[str, CloserLook] = field(default_factory=dict)
    title: str = ""
    columns: Mapping[str, suite.Columns] = field(default_factory=dict)
    beside: Mapping[str, str] = field(default_factory=dict)

    def json(self) -> str:
        """The records, one JSON object a line."""
        return "\n".join(json.dumps(record.to_dict(), ensure_ascii=False) for record in self.outcome.records)

    def latex(self) -> str:
        """The same rows as tables in LaTeX, with the command that makes them."""
        head = f"% \\usepackage{{booktabs}}; made by: {self.command()}\n"
        return head + latex.tables(self.outcome.records)

    def draw(self, folder: Path) -> list[Path]:
        """Write the intervals of each table as SVG and PDF, and the pictures of closer looks as SVG; their paths.

        Raises:
            MissingExtra: If matplotlib is not installed.
            OutputError: If a file cannot be written.
        """
        written = charts.write(self.outcome.records, folder)
        for name, svg in self.pictures().items():
            with replacing(folder / name) as temporary:
                temporary.write_text(svg, encoding="utf-8")
            written.append(folder / name)
        return written

    def tables(self) -> str:
        """Markdown for each protocol: its table, what differs significantly, its settings, and diagnostics."""
        parts = [self._protocol(name) for name in self._protocols()]
        if self.outcome.unfinished:
            parts.append("Not finished: " + "; ".join(self.outcome.unfinished) + ".")
        return joined(parts)

    def section(self) -> Section:
        """Its section on the pages of results."""
        heading = titles.heading(self.kind, self.options, title=self.title)
        body = joined([f"## {heading}", self._made(), self.tables()])
        name = titles.section(self.kind, self.options, title=self.title)
        return Section(self.kind, name, body, self.outcome.records)

    def pictures(self) -> Mapping[str, str]:
        """By file name those of the closer looks."""
        return {one.name: one.svg for look in self.closer.values() for one in look.pictures}

    def saved(self) -> Report:
        """The same without failures, the text of pictures, and folders of this machine."""
        records = tuple(replace(one, settings=titles.without_folders(one.settings)) for one in self.outcome.records)
        looks = {
            name: replace(look, pictures=tuple(replace(one, svg="") for one in look.pictures))
            for name, look in self.closer.items()
        }
        return replace(
            self,
            options=titles.portable(self.options),
            outcome=replace(self.outcome, records=records),
            failures=(),
            closer=looks,
        )

    def command(self) -> str:
        """The command that makes the same tables; folders are named by their last part."""
        return titles.command(self.kind, self.options, title=self.title)

    def _protocols(self) -> list[str]:
        return list(dict.fromkeys(record.protocol for record in self.outcome.records))

    def _made(self) -> str:
        hashes: dict[str, dict[str, str]] = {}
        for record in self.outcome.records:
            hashes.setdefault(PROTOCOLS[record.protocol].corpus, {}).update(record.feature_hashes)
        features = "" if self.kind == "speech" else titles.features(self.options, hashes)  # its rows each have theirs
        return joined([f"Made by `{self.command()}`.", features])

    def _protocol(self, name: str) -> str:
        records = [record for record in self.outcome.records if record.protocol == name]
        metric = PROTOCOLS[name].metric
        made = self.outcome.comparisons.get(f"{name} {metric}", ())
        own = table2_report.table(records, protocol=name) if self.kind == "paper" else ""
        default = PROTOCOLS[name].corpus not in titles.given(self.options)
        parts = [f"### {name}", f"{PROTOCOLS[name].description}."]
        parts += [own or self._tables(name, records), CAUTIONS.get(name, "") if default else ""]
        if own:
            parts.append(table2_report.differences(records, made))
        else:
            reference, what = _reference(self.kind, name, records)
            parts.append(leaderboard.against(reference, made, what=what, names=short_names(records)))
        parts += [self.beside.get(name, ""), titles.settings(records)]
        if look := self.closer.get(name):
            parts.append(look.text())
        return joined(parts)

    def _tables(self, name: str, records: Sequence[Record]) -> str:
        """One table for rows that are measured alike: values on dimensions and ranks have one each."""
        alike: dict[tuple[str, ...], list[Record]] = {}
        for record in records:
            own = tuple(one.metric for one in records if row_name(one) == row_name(record))
            alike.setdefault(own, []).append(record)
        compared, columns = self.outcome.comparisons, self.columns.get(name)
        return joined(
            [
                leaderboard.table(group, comparisons=compared.get(f"{name} {metrics[0]}", ()), columns=columns)
                for metrics, group in alike.items()
            ]
        )


def run_bench(kind: str, options: BenchOptions, *, title: str = "", progress: Progress | None = None) -> Report:
    """Run the cells of a bench that have no result yet and read all results.

    Raises:
        InputError: A kind that is not in ``PLANS``, or what its plan refuses.
    """
    if kind not in PLANS:
        raise InputError(f"bench '{kind}': expected {', '.join(PLANS)}")
    cells = PLANS[kind](options)
    failed = runner.run(cells, options, progress=progress)
    outcome = _outcome(kind, cells, options)
    lines = [
        f"{one.cell.row[1]} ({'+'.join(one.cell.row[2])}) under {one.cell.row[0]}, seed {one.cell.request.seed}, "
        f"{one.cell.fold}: {one.reason}"
        for one in failed
    ]
    finished = _finished(cells, options)
    beside = _beside(finished, Subset.read(options.subset)) if options.subset else {}
    if kind != "paper":
        columns = suite.columns(finished, options.data) if kind == "speech" else {}
        return Report(kind, options, outcome, tuple(lines), title=title, columns=columns, beside=beside)
    outcome = replace(outcome, records=completed(outcome.records, finished))
    name = titles.section(kind, options, title=title)
    looks = {
        protocol: CloserLook.of(found, f"{name} {protocol}")
        for protocol, found in diagnostics(outcome.records, finished).items()
    }
    return Report(kind, options, outcome, tuple(lines), looks, title, beside=beside)


def _beside(finished: Mapping[Row, Results], subset: Subset) -> dict[str, str]:
    """By protocol the whole test part beside the subset, for each row."""
    rows: dict[str, list[AnyRuns]] = {}
    for (protocol, name, modalities), found in finished.items():
        rows.setdefault(protocol, []).append(runner.runs_of(f"{name} ({'+'.join(modalities)})", found))
    return {protocol: subset_report.table(own, subset) for protocol, own in rows.items()}


def _outcome(kind: str, cells: Sequence[Cell], options: BenchOptions) -> Outcome:
    """The records of a bench, with what its kind adds to them."""
    if kind != "speech":
        return runner.outcome(cells, options, published=table2.printed if kind == "paper" else None)
    found = runner.outcome(cells, options, published=suite.published, metrics=suite.metrics, same_features=False)
    return replace(found, records=tuple(map(suite.noted, found.records)))


def completed(records: Sequence[Record], finished: Mapping[Row, Results]) -> tuple[Record, ...]:
    """The records with one of accuracy where a protocol's metric is another, as the paper prints both.

    On IEMOCAP ``figures`` has improvised and scripted dialogues apart.
    """
    made = []
    for record in records:
        made.append(record)
        there = [one.metric for one in records if (one.protocol, row_name(one)) == (record.protocol, row_name(record))]
        if "accuracy" not in there and record.metric == PROTOCOLS[record.protocol].metric:
            made.append(_accuracy(record, finished[_row(record)]))
    return tuple(replace(one, figures={**one.figures, **_by_kind(one, finished[_row(one)])}) for one in made)


def _row(record: Record) -> Row:
    return record.protocol, record.system, record.modalities


def _accuracy(record: Record, found: Results) -> Record:
    """The record of the same answers with accuracy as its figure."""
    own = runner.measured_row(_row(record), found, metric="accuracy")
    printed = table2.printed(found[0][0], "accuracy")
    return replace(
        record,
        metric="accuracy",
        mean=own.mean,
        sd=own.sd,
        low=own.low,
        high=own.high,
        folds=own.folds,
        published=printed.value / 100 if printed else None,
        source=printed.source if printed else None,
        best_test_epoch_figure=None,
    )


def _by_kind(record: Record, found: Results) -> dict[str, float]:
    """The figure in improvised and in scripted dialogues, where there are such."""
    try:
        groups = by_kind(runner.runs_of(record.system, found), metric=record.metric).groups
    except InputError:  # no dialogue is of either kind
        return {}
    return {one.name: one.value for one in groups}


def diagnostics(records: Sequence[Record], finished: Mapping[Row, Results]) -> dict[str, Diagnostics]:
    """By protocol the diagnostics of the row whose figure is highest."""
    found = {}
    for protocol in dict.fromkeys(record.protocol for record in records):
        metric = PROTOCOLS[protocol].metric
        rows = [record for record in records if (record.protocol, record.metric) == (protocol, metric)]
        best = max(rows, key=lambda record: record.mean)
        title = f"{best.system} {table2_report.letters(best.modalities)} on {protocol}"
        found[protocol] = row_diagnostics(title, finished[_row(best)], metric=metric)
    return found


def row_diagnostics(title: str, found: Results, *, metric: str) -> Diagnostics:
    """The diagnostics of one row of a bench, all its seeds and folds."""
    seeds = runner.by_seed(found).values()
    plain = softmax(stacked([[fold.logits for fold in folds] for folds in seeds]))
    scaled = softmax(stacked([[fold.logits / fold.temperature for fold in folds] for folds in seeds]))
    return Diagnostics(title, runner.runs_of(title, found), plain, scaled, metric)


def _reference(kind: str, protocol: str, records: Sequence[Record]) -> tuple[str, str]:
    """The row that the others of its protocol are compared with, and what it is; empty where there is none."""
    named = {row_name(record): record for record in records}
    if kind == "speech":
        first = suite.first(protocol)
        return next(((row, "") for row, record in named.items() if record.system == first), ("", ""))
    if kind == "variants":
        found = [row for row, record in named.items() if record.system.endswith(f", {variants.PLAIN}")]
        return (found[0], "") if found else ("", "")
    found = [row for row, record in named.items() if record.system == REFERENCE]
    return (found[0], "which reads each utterance alone") if found else ("", "")


def _finished(cells: Sequence[Cell], options: BenchOptions) -> dict[Row, Results]:
    """The results of the rows that are complete."""
    rows: dict[Row, list[Cell]] = {}
    for one in cells:
        rows.setdefault(one.row, []).append(one)
    found = {row: runner.results(own, options.runs) for row, own in rows.items()}
    return {row: results for row, results in found.items() if results is not None}
