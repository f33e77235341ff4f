"""Records as tables in Markdown: the same bytes for the same records, shares in percent.

``table`` lists the systems of a protocol, best first; ``against`` compares each of them with a reference.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from merc.evaluation.metrics import LOWER_IS_BETTER
from merc.evaluation.selection import NOT_A_RESULT
from merc.evaluation.significance import LEVEL, Comparison, holm
from merc.reporting import markdown, printing
from merc.reporting.markdown import cell
from merc.reporting.records import Record

_Row = Sequence[Record]  # the records of one system on one test set, one a figure


def table(
    records: Sequence[Record],
    *,
    comparisons: Sequence[Comparison] = (),
    columns: Mapping[str, Mapping[str, str]] | None = None,
) -> str:
    """One Markdown table a protocol and test set (by its label counts), best first.

    Args:
        records: Records; those of one system make one row, its figures in the order of the records. The first ranks.
        comparisons: What fills the last column: the systems over which a row's difference has an adjusted p below .05,
            by the name ``row_name(record)``. Where none was made the column says so.
        columns: Further columns behind the figures: by heading the text of each system, by its name.
    """
    return "\n".join(_one(group, comparisons, columns or {}) for group in by_test_set(records))


def by_test_set(records: Sequence[Record]) -> list[list[Record]]:
    """The records of each protocol and test set (by its label counts), in the order of the first."""
    groups: dict[tuple[str, tuple[tuple[str, int], ...]], list[Record]] = {}
    for record in records:
        groups.setdefault(_kind(record), []).append(record)
    return list(groups.values())


def ranked(records: Sequence[Record]) -> list[tuple[str, list[Record]]]:
    """By ``row_name`` the records of each system on one test set, the best first by the metric of the first record."""
    rows: dict[str, list[Record]] = {}
    for record in records:
        rows.setdefault(row_name(record), []).append(record)
    sign = 1 if records[0].metric in LOWER_IS_BETTER else -1
    return sorted(rows.items(), key=lambda row: (sign * row[1][0].mean, row[0]))


def row_name(record: Record) -> str:
    """The name of a record's runs where they are compared: such as ``concat (text+voice)``."""
    return f"{record.system} ({'+'.join(record.modalities)})"


def short_names(records: Sequence[Record]) -> dict[str, str]:
    """By ``row_name`` the system alone, where no other row of these records has that system."""
    rows = {row_name(record): record.name for record in records}
    systems = list(rows.values())
    return {row: system if systems.count(system) == 1 else row for row, system in rows.items()}


def figure(record: Record) -> str:
    """A record's figure with what seeds and dialogues do to it: ``64.9 ± 1.4 [60.9, 69.0]``."""
    return printing.figure(record.mean, record.low, record.high, sd=record.sd, metric=record.metric)


def probability(value: float | None) -> str:
    """A p value as papers print it; a dash where nothing was tested."""
    if value is None:
        return printing.NONE
    return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")


VERDICTS = ("better", "worse", "not shown to differ")


@dataclass(frozen=True, slots=True)
class Against:
    """A system minus the reference on one metric, with its interval, p of the bootstrap and of McNemar's test.

    ``p_adjusted`` and ``mcnemar_adjusted`` are after Holm's correction over all systems compared with that reference;
    the latter is None where values are predicted.
    """

    name: str
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    mcnemar_adjusted: float | None
    metric: str = "weighted_f1"

    @property
    def verdict(self) -> str:
        """What may be said, by the corrected p of the bootstrap: one of VERDICTS."""
        if self.p_adjusted >= LEVEL:
            return VERDICTS[2]
        return VERDICTS[(self.difference > 0) == (self.metric in LOWER_IS_BETTER)]


def contrasts(pairs: Sequence[tuple[str, str]], comparisons: Sequence[Comparison]) -> list[Against]:
    """For each pair of names the first minus the second, as far as they were compared, the largest gain first.

    Holm's correction is over these pairs alone: they are the questions asked.
    """
    turned = [one for name, reference in pairs for one in _turned(name, reference, comparisons)]
    found = [
        Against(one.first, one.difference, one.low, one.high, one.p, p, second, one.metric)
        for one, p, second in zip(turned, holm([one.p for one in turned]), _second_opinions(turned), strict=True)
    ]
    return sorted(found, key=lambda one: (-one.difference, one.name))


def _second_opinions(turned: Sequence[Comparison]) -> list[float | None]:
    """McNemar's p after Holm's correction; None where values are predicted."""
    tested = [one.mcnemar for one in turned if one.mcnemar is not None]
    return list(holm(tested)) if len(tested) == len(turned) else [None] * len(turned)


def against(
    reference: str, comparisons: Sequence[Comparison], *, what: str = "", names: Mapping[str, str] | None = None
) -> str:
    """A sentence that sums up and a table of every other system against the reference; empty without comparisons.

    Args:
        reference: ``row_name`` of the reference.
        comparisons: All comparisons; those with the reference are printed.
        what: What the reference is, in words.
        names: What a row is called, by ``row_name``.
    """
    made = [one for one in comparisons if reference in (one.first, one.second)]
    pairs = [(one.second if one.first == reference else one.first, reference) for one in made]
    called = cell((names or {}).get(reference, reference))
    opening = f"Against **{called}**{f', {what},' if what else ''}"
    return verdicts(opening, contrasts(pairs, made), metric=made[0].metric if made else "", names=names)


def verdicts(opening: str, found: Sequence[Against], *, metric: str, names: Mapping[str, str] | None = None) -> str:
    """Contrasts as a sentence that begins with ``opening`` and a table; empty where there are none."""
    if not found:
        return ""
    called = {one.name: cell((names or {}).get(one.name, one.name)) for one in found}
    rows = [["", "difference", "95 % interval", "p", "p, Holm", "McNemar p, Holm", "verdict"]]
    for one in found:
        difference, low, high = (printing.signed(value, metric) for value in (one.difference, one.low, one.high))
        tests = (probability(value) for value in (one.p, one.p_adjusted, one.mcnemar_adjusted))
        rows.append([called[one.name], difference, f"{low} to {high}", *tests, one.verdict])
    groups = {verdict: [called[one.name] for one in found if one.verdict == verdict] for verdict in VERDICTS}
    summary = "; ".join(f"{verdict}: {', '.join(group) or 'none'}" for verdict, group in groups.items())
    over = f"p < .05 after Holm's correction over {len(found)}"
    return f"{opening} by {printing.title(metric)}, {over}: {summary}.\n\n{markdown.table(rows)}"


def _turned(name: str, reference: str, comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparison of two names as the first minus the second."""
    found = [one for one in comparisons if {one.first, one.second} == {name, reference}]
    return [
        one
        if one.first == name
        else replace(one, first=name, second=reference, difference=-one.difference, low=-one.high, high=-one.low)
        for one in found
    ]


def _kind(record: Record) -> tuple[str, tuple[tuple[str, int], ...]]:
    return record.protocol, tuple(sorted(record.label_counts.items()))


def _one(records: Sequence[Record], comparisons: Sequence[Comparison], columns: Mapping[str, Mapping[str, str]]) -> str:
    metrics = list(dict.fromkeys(record.metric for record in records))
    notes = _Notes()
    alike = len({record.modalities for record in records}) == 1
    sized = ["parameters", "source's"] if any(one.source_parameters for one in records) else ["parameters"]
    head = ["system", *([] if alike else ["inputs"]), *sized, "train s"]
    head += [f"{printing.title(name)} ± sd [95 % interval]" for name in metrics]
    head += [*columns, "published", f"best test epoch ({NOT_A_RESULT})", "better than (p < .05)"]
    body = [
        _row(row, metrics, comparisons, notes=notes, records=records, alike=alike, columns=columns)
        for _, row in ranked(records)
    ]
    return "\n".join([_caption(records, alike=alike), "", markdown.table([head, *body]), *notes.lines(), ""])


def _caption(records: Sequence[Record], *, alike: bool) -> str:
    first = records[0]
    counts = ", ".join(f"{name} {number:,}" for name, number in first.label_counts.items())
    seeds = sorted({record.n for record in records})
    runs = f"{' or '.join(map(str, seeds))} seed{'' if seeds == [1] else 's'}"
    inputs = f"; all read {' + '.join(first.modalities)}" if alike else ""
    return f"**{first.protocol}**: {sum(first.label_counts.values()):,} test utterances ({counts}), {runs}{inputs}."


class _Notes:
    """Reasons below a table, each printed once and referred to by its number."""

    def __init__(self) -> None:
        self._reasons: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        """``note 1`` for a reason."""
        return f"note {self._reasons.setdefault(reason, len(self._reasons) + 1)}"

    def lines(self) -> list[str]:
        """One line a reason."""
        return ["", *(f"{number}. {cell(reason)}" for reason, number in self._reasons.items())] * bool(self._reasons)


def _row(
    row: _Row,
    metrics: Sequence[str],
    comparisons: Sequence[Comparison],
    *,
    notes: _Notes,
    records: Sequence[Record],
    alike: bool,
    columns: Mapping[str, Mapping[str, str]],
) -> list[str]:
    """One system; seven arguments, as a row depends on its table."""
    first, by_metric = row[0], {record.metric: record for record in row}
    seconds = first.train_seconds
    return [
        cell(first.name) + ("" if first.comparable or first.published is not None else f" ({_why(first, notes)})"),
        *([] if alike else [" + ".join(first.modalities)]),
        *_sizes(first, records),
        f"{seconds:,.0f}" if seconds is not None else "",
        *(figure(by_metric[name]) if name in by_metric else "" for name in metrics),
        *(texts.get(first.system, printing.NONE) for texts in columns.values()),
        "; ".join(_published(record, len(metrics) > 1, notes) for record in row if record.published is not None),
        "; ".join(claimed(record) for record in row if record.best_test_epoch_figure is not None),
        _beaten(row_name(first), metrics[0], comparisons, short_names(records)),
    ]


def _sizes(record: Record, records: Sequence[Record]) -> list[str]:
    """Parameters, and those of the source's configuration where a row of the table knows them."""
    known = [record.parameters] + [record.source_parameters] * any(one.source_parameters for one in records)
    return [f"{count:,}" if count is not None else "" for count in known]


def claimed(record: Record) -> str:
    """The figure of the best test epoch and what that choice adds: ``66.8 (+1.9)``; empty where it was not traced."""
    best = record.best_test_epoch_figure
    if best is None:
        return ""
    return f"{printing.number(best, record.metric)} ({printing.signed(best - record.mean, record.metric)})"


def _published(record: Record, several: bool, notes: _Notes) -> str:
    metric = f" {printing.title(record.metric)}" if several else ""
    value = printing.number(record.published or 0.0, record.metric)
    return f"{value}{metric} ({cell(record.source or '')}), {_why(record, notes)}"


def _why(record: Record, notes: _Notes) -> str:
    stamp = "comparable" if record.comparable else "not comparable"
    return f"{stamp}, {notes.mark(f'{stamp}: {record.why}')}" if record.why else stamp


def _beaten(name: str, metric: str, comparisons: Sequence[Comparison], names: Mapping[str, str]) -> str:
    made = [c for c in comparisons if c.metric == metric and name in (c.first, c.second)]
    if not made:
        return "not tested"
    losers = sorted(names.get(loser, loser) for loser in _losers(name, made))
    return "all others" if len(losers) == len(made) > 1 else cell(", ".join(losers)) or "none"


def _losers(name: str, made: Sequence[Comparison]) -> set[str]:
    return {c.first if c.second == name else c.second for c in made if c.better == name}
