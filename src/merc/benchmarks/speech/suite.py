"""The plan of ``merc bench speech`` and the columns that its tables have beside those of every bench."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import soundfile

from merc.benchmarks.cell import Cell, Row
from merc.benchmarks.runner import BenchOptions, Results, cells_of, described, refuse_options_of_several, runs_of
from merc.benchmarks.speech.rows import ROWS, SpeechRow
from merc.conversation import Conversation
from merc.corpora import Item
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Protocol
from merc.evaluation.resampling import Runs, estimate
from merc.evaluation.scoring import Answers
from merc.recipes.request import Request, corpus_root, read
from merc.reporting import printing
from merc.reporting.records import Record
from merc.systems import Published

ENGLISH = ("ravdess", "tess", "savee")
"""The corpora of ``speech4`` on which a figure is printed by itself."""

METRICS = ("accuracy", "unweighted_recall", "macro_f1")
"""Of a row of classes; one of values has its own."""

Columns = Mapping[str, Mapping[str, str]]
"""By heading the text of each row, by its name."""


def chosen(options: BenchOptions) -> list[SpeechRow]:
    """The rows of a bench: those of the systems, or of the names, and of the protocols that are named.

    Raises InputError where there is none.
    """
    found = [
        row
        for row in ROWS
        if (not options.only or row.system in options.only or row.name in options.only)
        and (not options.protocols or row.protocol in options.protocols)
    ]
    if not found:
        wanted = f"{', '.join(options.only) or 'any system'} under {', '.join(options.protocols) or 'any protocol'}"
        raise InputError(
            f"no row of {wanted}; rows are of {', '.join(dict.fromkeys(row.system for row in ROWS))} under "
            f"{', '.join(dict.fromkeys(row.protocol for row in ROWS))}"
        )
    return found


def plan(options: BenchOptions) -> list[Cell]:
    """The cells of the rows; what the options change reaches every one of them."""
    refuse_options_of_several(options)
    cells: list[Cell] = []
    for row in chosen(options):
        corpus = PROTOCOLS[row.protocol].corpus
        request = Request(
            row.system,
            row.protocol,
            (options.features or {}).get(corpus, row.features),
            row.modalities,
            options={**row.options, **(options.options or {})},
            training={**row.training, **(options.training or {})},
            data=options.data,
        )
        cells += cells_of(request, seeds=options.seeds, name=row.name, values=True)
    return cells


def row_of(cell: Cell) -> SpeechRow:
    """The row of a cell."""
    return next(row for row in ROWS if (row.protocol, row.name) == (cell.request.protocol, cell.name))


def first(protocol: str) -> str:
    """The name of the row that the others of its protocol are compared with."""
    return next(row.name for row in ROWS if row.protocol == protocol)


def metrics(protocol: Protocol, cell: Cell) -> tuple[str, ...]:
    """What a row is measured by: of classes the protocol's metric and others, else the row's own."""
    if not protocol.regression:
        return tuple(dict.fromkeys((protocol.metric, *METRICS)))
    return (row_of(cell).metric or protocol.metric,)


def published(cell: Cell, metric: str) -> Published | None:
    """The figure of a row's source."""
    own = row_of(cell).published
    if own is None:
        return described(cell, metric)
    return own if own.metric == metric else None


def noted(record: Record) -> Record:
    """The record with what a reader must know of its row."""
    note = next((row.note for row in ROWS if (row.protocol, row.name) == (record.protocol, record.system)), "")
    return replace(record, comparable=False, why=note, notes=(*record.notes, note)) if note else record


def columns(finished: Mapping[Row, Results], data: Path | None) -> Mapping[str, Columns]:
    """By protocol: hours of training speech, and accuracy by corpus where there are several."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    spoken = {protocol: hours(protocol, data) for protocol in dict.fromkeys(row[0] for row in finished)}
    for (protocol, name, _), results in finished.items():
        own = found.setdefault(protocol, {})
        own.setdefault("hours of speech", {})[name] = spoken[protocol]
        corpora = PROTOCOLS[protocol].corpora
        if len(corpora) > 1 and isinstance(results[0][1].answers, Answers):
            english = tuple(one for one in corpora if one in ENGLISH)
            for group in dict.fromkeys([english, *((one,) for one in corpora)]):
                heading = f"accuracy, {'+'.join(group)}"
                own.setdefault(heading, {})[name] = _accuracy(results, group, ends=group == english)
    return found


def _accuracy(results: Results, corpora: Sequence[str], *, ends: bool) -> str:
    """Accuracy on some corpora, with its interval over speakers where wanted."""
    parts = [own for run in runs_of("row", results).seeds if (own := run.of_corpora(corpora))]
    if not parts:
        return printing.NONE
    found = estimate(Runs("row", tuple(parts)), metric="accuracy", resamples=2000 if ends else 1)
    return printing.figure(found.mean, found.low, found.high) if ends else printing.number(found.mean)


def hours(protocol: str, data: Path | None) -> str:
    """Hours of speech in the training part, the mean over folds; a dash where the lengths are not known."""
    own = PROTOCOLS[protocol]
    conversations = read(own.corpus, corpus_root(own.corpus, data))
    lengths = seconds(conversations)
    if not lengths:
        return printing.NONE
    folds = own.folds(conversations)
    return f"{np.mean([sum(lengths.get(name, 0.0) for name in fold.train.ids) for fold in folds]) / 3600:.1f}"


def seconds(conversations: Iterable[Conversation]) -> dict[str, float]:
    """Seconds of each utterance: of its segment, else as its file's header has it; those without either are absent."""
    found = {}
    for turn in (turn for one in conversations for turn in one):
        item = turn.meta.get("item")
        path = item.source.path if isinstance(item, Item) and item.source else None
        if turn.segment is not None:
            found[turn.id] = turn.segment.end - turn.segment.start
        elif path is not None:
            with suppress(soundfile.LibsndfileError):
                found[turn.id] = float(soundfile.info(str(path)).duration)
    return found
