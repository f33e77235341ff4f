"""A bench from its plan to its tables: carried out, put into words, and written into the document of results."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from merc.benchmarks import cell, runner, table2, table2_report, titles, variants
from merc.benchmarks.cell import Done, Unit
from merc.benchmarks.runner import BenchOptions, Outcome
from merc.cache import replacing
from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.evaluation.fairness import by_kind
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.resampling import Runs
from merc.evaluation.scoring import pooled
from merc.progress import Progress
from merc.reporting import leaderboard
from merc.reporting.diagnostics import Portrait, stacked
from merc.reporting.leaderboard import row_name, short_names
from merc.reporting.markdown import joined
from merc.reporting.records import Record, measured
from merc.reporting.results_page import Section, slug, update

Row = tuple[str, str, tuple[str, ...]]
Held = Mapping[Row, Sequence[tuple[Unit, Done]]]

REFERENCE = "concat"
"""The system that every other one is compared with: it reads each utterance alone."""

CAUTIONS: Mapping[str, str] = {
    "cmu-mosi": "The text and video values released with CMU-MOSI were fitted to the labels of its training videos: a "
    "linear model on 52 of the 62 training videos tells the other ten apart with 97.3 % (text) and 93.6 % (video), but "
    "test with 74.5 % and 52.0 % (`bench/mosi_leak.py`). Validation, which must be drawn from training, cannot "
    "choose an epoch here. Compare `--features cmu-mosi:text=mpnet,voice=opensmile73`."
}
"""What a reader must know of a protocol with the usual features."""

CLOSELY = (
    "The row with the highest figure above, and so chosen by looking at test; all its seeds count alike. Probabilities "
    "are scaled by the temperature that the validation part of each fold gave."
)
"""What the close look is at."""

PLANS: Mapping[str, Callable[[BenchOptions], list[Unit]]] = {
    "systems": runner.plan,
    "paper": table2.plan,
    "variants": variants.plan,
}


@dataclass(frozen=True, slots=True)
class Report:
    """What a bench found; ``failures`` are the runs that could not be done, with their reasons.

    ``portraits`` are close looks by protocol, ``title`` is that of the section where the options do not say it.
    """

    kind: str
    options: BenchOptions
    outcome: Outcome
    failures: tuple[str, ...] = ()
    portraits: Mapping[str, Portrait] = field(default_factory=dict)
    title: str = ""

    def json(self) -> str:
        """The records, one JSON object a line."""
        return "\n".join(json.dumps(record.to_dict(), ensure_ascii=False) for record in self.outcome.records)

    def tables(self, pictures: Mapping[str, Sequence[str]] | None = None) -> str:
        """Markdown for each protocol: its table, what differs significantly, and the close look where one was taken.

        ``pictures`` names those of each protocol, as seen from the document.
        """
        parts = [self._protocol(name, (pictures or {}).get(name, ())) for name in self._protocols()]
        if self.outcome.unfinished:
            parts.append("Not finished: " + "; ".join(self.outcome.unfinished) + ".")
        return joined(parts)

    def publish(self, path: Path) -> str:
        """Write the bench's section of a document, and its pictures beside it; gives the name of the section."""
        name = titles.section(self.kind, self.options, title=self.title)
        pictures: dict[str, list[str]] = {}
        for protocol, portrait in self.portraits.items():
            for kind, picture in portrait.pictures().items():
                place = Path("pictures") / f"{slug(f'{name} {protocol} {kind}')}.svg"
                with replacing(path.parent / place) as temporary:
                    temporary.write_text(picture, encoding="utf-8")
                pictures.setdefault(protocol, []).append(f"![{portrait.title}: {kind}]({place.as_posix()})")
        heading = titles.heading(self.kind, self.options, title=self.title)
        update(path, Section(name, joined([f"## {heading}", self._made(), self.tables(pictures)])))
        return name

    @property
    def whole(self) -> bool:
        """Whether this is all that the bench is made of, not a part that would stand in the place of the whole."""
        if self.outcome.unfinished or self.failures or self.options.training or self.options.options:
            return False
        only = (table2.SYSTEM,) if self.kind == "paper" else ()
        protocols, seeds = titles.USUAL.get(self.kind, ((), 0))
        return (self.options.only, self.options.protocols) == (only, protocols) and self.options.seeds >= seeds

    def command(self) -> str:
        """The command that makes the same tables; folders are named by their last part."""
        return titles.command(self.kind, self.options, title=self.title)

    def _protocols(self) -> list[str]:
        return list(dict.fromkeys(record.protocol for record in self.outcome.records))

    def _made(self) -> str:
        hashes: dict[str, dict[str, str]] = {}
        for record in self.outcome.records:
            corpus = PROTOCOLS[record.protocol].corpus
            hashes.setdefault(corpus, {}).update(record.feature_hashes)
        return f"Made by `{self.command()}`.\n\n{titles.features(self.options, hashes)}"

    def _protocol(self, name: str, pictures: Sequence[str]) -> str:
        records = [record for record in self.outcome.records if record.protocol == name]
        metric = PROTOCOLS[name].metric
        made = self.outcome.comparisons.get(f"{name} {metric}", ())
        own = table2_report.table(records, protocol=name) if self.kind == "paper" else ""
        caution = CAUTIONS.get(name, "") if PROTOCOLS[name].corpus not in self._others() else ""
        parts = [f"### {name}", f"{PROTOCOLS[name].description}."]
        parts += [own or leaderboard.table(records, comparisons=made), caution]
        if own:
            parts.append(table2_report.differences(records, made))
        else:
            reference, what = _reference(self.kind, records)
            parts.append(leaderboard.against(reference, made, what=what, names=short_names(records)))
        if portrait := self.portraits.get(name):
            parts += [f"#### {portrait.title}: a closer look", CLOSELY, portrait.words(), *pictures]
        return joined(parts)

    def _others(self) -> set[str]:
        return set(titles.given(self.options))


def carry_out(kind: str, options: BenchOptions, *, title: str = "", progress: Progress | None = None) -> Report:
    """Run what is missing of a bench in PLANS and read everything; raises InputError for another kind."""
    if kind not in PLANS:
        raise InputError(f"bench '{kind}': expected {', '.join(PLANS)}")
    units = PLANS[kind](options)
    failed = runner.run(units, options, progress=progress)
    outcome = runner.outcome(units, options, beside=table2.printed if kind == "paper" else None)
    lines = [
        f"{one.unit.row[1]} ({'+'.join(one.unit.row[2])}) under {one.unit.row[0]}, seed {one.unit.request.seed}, "
        f"{one.unit.fold}: {one.reason}"
        for one in failed
    ]
    if kind != "paper":
        return Report(kind, options, outcome, tuple(lines), title=title)
    held = _held(units, options)
    outcome = replace(outcome, records=completed(outcome.records, held))
    return Report(kind, options, outcome, tuple(lines), portraits(outcome.records, held), title)


def completed(records: Sequence[Record], held: Held) -> tuple[Record, ...]:
    """The records with one of accuracy where a protocol's figure is another, as the paper prints both.

    On IEMOCAP their ``figures`` tell improvised and scripted dialogues apart.
    """
    made = []
    for record in records:
        made.append(record)
        there = [one.metric for one in records if (one.protocol, row_name(one)) == (record.protocol, row_name(record))]
        if "accuracy" not in there and record.metric == PROTOCOLS[record.protocol].metric:
            made.append(_accuracy(record, held[_row(record)]))
    return tuple(replace(one, figures={**one.figures, **_apart(one, held[_row(one)])}) for one in made)


def _row(record: Record) -> Row:
    return record.protocol, record.system, record.modalities


def _accuracy(record: Record, found: Sequence[tuple[Unit, Done]]) -> Record:
    """The record of the same answers with accuracy as its figure."""
    asked = replace(PROTOCOLS[record.protocol], metric="accuracy")
    answered = {seed: [one.answers for one in folds] for seed, folds in _by_seed(found).items()}
    own = measured(answered, protocol=asked, system=record.system, modalities=record.modalities)
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


def _apart(record: Record, found: Sequence[tuple[Unit, Done]]) -> dict[str, float]:
    """The figure in improvised and in scripted dialogues, where there are such."""
    try:
        return {one.name: one.value for one in by_kind(_runs(record.system, found), metric=record.metric).groups}
    except InputError:  # no dialogue is of either kind
        return {}


def portraits(records: Sequence[Record], held: Held) -> dict[str, Portrait]:
    """By protocol the close look at the row whose figure is highest."""
    found = {}
    for protocol in dict.fromkeys(record.protocol for record in records):
        metric = PROTOCOLS[protocol].metric
        rows = [record for record in records if (record.protocol, record.metric) == (protocol, metric)]
        best = max(rows, key=lambda record: record.mean)
        title = f"{best.system} {table2_report.letters(best.modalities)} on {protocol}"
        found[protocol] = portrait(title, held[_row(best)], metric=metric)
    return found


def portrait(title: str, found: Sequence[tuple[Unit, Done]], *, metric: str) -> Portrait:
    """The close look at one row of a bench, all its seeds and folds."""
    done = _by_seed(found).values()
    plain = softmax(stacked([[fold.logits for fold in folds] for folds in done]))
    scaled = softmax(stacked([[fold.logits / fold.temperature for fold in folds] for folds in done]))
    return Portrait(title, _runs(title, found), plain, scaled, metric)


def sentence(figures: Mapping[str, float]) -> str:
    """Figures of a part in one line, in percent."""
    return ", ".join(f"{name.replace('_', ' ')} {100 * value:.2f}" for name, value in figures.items())


def _reference(kind: str, records: Sequence[Record]) -> tuple[str, str]:
    """The row that the others of its protocol are compared with, and what it is; empty where there is none."""
    named = {row_name(record): record for record in records}
    if kind == "variants":
        found = [row for row, record in named.items() if record.system.endswith(f", {variants.PLAIN}")]
        return (found[0], "") if found else ("", "")
    found = [row for row, record in named.items() if record.system == REFERENCE]
    return (found[0], "which reads each utterance alone") if found else ("", "")


def _held(units: Sequence[Unit], options: BenchOptions) -> dict[Row, list[tuple[Unit, Done]]]:
    """What the finished rows left."""
    rows: dict[Row, list[Unit]] = {}
    for one in units:
        rows.setdefault(one.row, []).append(one)
    place = options.place
    whole = {row: cells for row, cells in rows.items() if all(one.path(place).exists() for one in cells)}
    return {row: [(one, cell.read(one, place)) for one in cells] for row, cells in whole.items()}


def _by_seed(found: Sequence[tuple[Unit, Done]]) -> dict[int, list[Done]]:
    seeds: dict[int, list[Done]] = {}
    for one, done in found:
        seeds.setdefault(one.request.seed, []).append(done)
    return seeds


def _runs(name: str, found: Sequence[tuple[Unit, Done]]) -> Runs:
    return Runs(name, tuple(pooled([one.answers for one in folds]) for folds in _by_seed(found).values()))
