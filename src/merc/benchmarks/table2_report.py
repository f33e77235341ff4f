"""Table II of Wang and Beigi 2025 (QC-MERC) with our figures, in its layout: one row per subset of inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merc.benchmarks import table2
from merc.benchmarks.cell import Cell
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.selection import NOT_A_RESULT
from merc.evaluation.significance import Comparison
from merc.recipes.request import Request
from merc.reporting import markdown
from merc.reporting.leaderboard import claimed, contrasts, figure, row_name, verdicts
from merc.reporting.markdown import cell
from merc.reporting.printing import number, title
from merc.reporting.records import TRANSDUCTIVE, Record
from merc.systems import SYSTEMS, Published

LETTERS = {"text": "T", "face": "V", "voice": "A"}
"""As in the paper: T text, V the face (vision), A the voice (audio)."""

_METRICS = ("accuracy", "weighted_f1")


def table(records: Sequence[Record], *, protocol: str) -> str:
    """The table of one protocol for each system that its records have; empty where there is no record of it."""
    chosen = [record for record in records if record.protocol == protocol]
    if not chosen:
        return ""
    steps = [name for name in systems(chosen) if table2.ROWS[name].all_inputs]
    whole = [name for name in systems(chosen) if name not in steps]
    tables = [_one([record for record in chosen if record.system == name], protocol) for name in whole]
    tables.append(_steps([record for record in chosen if record.system in steps], protocol))
    printed = (_printed(protocol, one, "accuracy") for one in table2.CONFIGURATIONS)
    why = dict.fromkeys(figure.why for figure in printed if figure)
    counts = ", ".join(f"{name} {number:,}" for name, number in chosen[0].label_counts.items())
    head = f"{sum(chosen[0].label_counts.values()):,} test utterances ({counts}), {chosen[0].n} seeds. "
    comparable = f"The paper's figures are not comparable: {'; '.join(why)}." if why else ""
    return markdown.joined([head + "T text, V face, A voice.", *tables, comparable])


def systems(records: Sequence[Record]) -> list[str]:
    """The systems of records, in their order."""
    return list(dict.fromkeys(record.system for record in records))


def differences(records: Sequence[Record], comparisons: Sequence[Comparison]) -> str:
    """Each choice of inputs against the text alone, and each further system against the first on the same inputs."""
    rows = {row_name(record): record for record in records}
    called = {row: letters(record.modalities) for row, record in rows.items()}
    first, *others = systems(records)
    questions = [
        (f"**{name}** against itself on T, the text alone,", [(row, f"{name} (text)") for row in _rows(rows, name)])
        for name in (first, *others)
    ]
    questions += [
        (
            f"**{name}** against {first} on the same inputs,",
            [(row, first + row[len(name) :]) for row in _rows(rows, name)],
        )
        for name in others
    ]
    metric = comparisons[0].metric if comparisons else ""
    found = [
        (opening, contrasts([pair for pair in pairs if len(set(pair)) == 2], comparisons))
        for opening, pairs in questions
    ]
    return markdown.joined([verdicts(opening, one, metric=metric, names=called) for opening, one in found])


def _rows(rows: Mapping[str, Record], system: str) -> list[str]:
    return [row for row, record in rows.items() if record.system == system]


def letters(modalities: Sequence[str]) -> str:
    """``T+A`` for text and voice."""
    return "+".join(letter for name, letter in LETTERS.items() if name in modalities)


def _one(records: Sequence[Record], protocol: str) -> str:
    first = records[0]
    head = ["inputs", "paper: WA", "paper: weighted F1", "ours: WA ± sd [95 %]", "ours: weighted F1 ± sd [95 %]"]
    head += [f"best test epoch ({NOT_A_RESULT})", "calibration error → scaled"]
    parts = [name for name in ("improvised", "scripted") if name in first.figures]
    head += [f"{name}, {title(PROTOCOLS[protocol].metric)}" for name in parts]
    rows = [_row(chosen, records, protocol, parts=parts) for chosen in table2.CONFIGURATIONS]
    return markdown.joined([f"**{cell(_marked(first))}**, {_title(first)}:", markdown.table([head, *rows])])


def _steps(records: Sequence[Record], protocol: str) -> str:
    """The paper's configuration and the steps from it to the defaults, each on top of those before; all inputs."""
    if not records:
        return ""
    head = ["step", "inputs", "parameters", "train s", "ours: WA ± sd [95 %]", "ours: weighted F1 ± sd [95 %]"]
    rows = [[*head, f"best test epoch ({NOT_A_RESULT})"]]
    for name in systems(records):
        found = {record.metric: record for record in records if record.system == name}
        first = next(iter(found.values()))
        rows.append(
            [
                cell(_marked(first)),
                letters(first.modalities) + (f", {TRANSDUCTIVE}" if first.transductive else ""),
                f"{first.parameters or 0:,}",
                f"{first.train_seconds or 0:,.0f}",
                *(figure(found[metric]) if metric in found else "" for metric in _METRICS),
                next((claimed(one) for one in found.values() if one.best_test_epoch_figure is not None), ""),
            ]
        )
    theirs = [_printed(protocol, records[0].modalities, metric) for metric in _METRICS]
    words = " and ".join(f"{title(one.metric)} {one.value:.1f}" for one in theirs if one)
    said = "The paper's configuration and what each of our changes is worth, each step on top of those before it."
    return markdown.joined([said + (f" The paper prints {words}." if words else ""), markdown.table(rows)])


def _marked(record: Record) -> str:
    return f"{record.system} ({record.variant})" if record.variant else record.system


def _title(record: Record) -> str:
    return SYSTEMS[table2.ROWS[record.system].system].description.title


def _row(chosen: tuple[str, ...], records: Sequence[Record], protocol: str, *, parts: Sequence[str]) -> list[str]:
    printed = [_printed(protocol, chosen, metric) for metric in _METRICS]
    theirs = [f"{one.value:.1f}" if one else "not printed" for one in printed]
    found = {record.metric: record for record in records if record.modalities == chosen}
    if not found:
        return [letters(chosen), *theirs, "not in the features", *[""] * (3 + len(parts))]
    ours = [figure(found[metric]) if metric in found else "" for metric in _METRICS]
    ended = next((claimed(one) for one in found.values() if one.best_test_epoch_figure is not None), "")
    others = found.get(PROTOCOLS[protocol].metric, records[0]).figures
    scaled = [f"{others[name]:.3f}" for name in ("calibration_error", "calibration_error_scaled") if name in others]
    seen = f", {TRANSDUCTIVE}" if any(record.transductive for record in found.values()) else ""
    return [
        letters(chosen) + seen,
        *theirs,
        *ours,
        ended,
        " → ".join(scaled),
        *(number(others[name]) for name in parts),
    ]


def _printed(protocol: str, modalities: tuple[str, ...], metric: str) -> Published | None:
    return table2.printed(Cell(Request(table2.SYSTEM, protocol, modalities=modalities), ""), metric)
