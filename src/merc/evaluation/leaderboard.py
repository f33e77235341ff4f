"""Records as tables for people: Markdown, the same bytes for the same records, put between markers of a document."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path

from merc.cache import replacing
from merc.errors import FormatError
from merc.evaluation.metrics import NAMES
from merc.evaluation.records import Record
from merc.evaluation.selection import NOT_A_RESULT
from merc.evaluation.significance import Comparison

_HEAD = (
    *("system", "inputs", "parameters", "train s", "result ± sd (seeds)", "95 % interval", "published"),
    *("comparable", f"best test epoch ({NOT_A_RESULT})", "significantly better than"),
)


def table(records: Sequence[Record], *, comparisons: Sequence[Comparison] = ()) -> str:
    """One Markdown table a protocol, figure and test set (by its label counts), best first; figures in percent.

    ``comparisons`` fill the last column: the systems over which a row's difference has an adjusted p below .05, by the
    name ``row_name(record)``. Where none was made the column says so.
    """
    kinds = sorted({_kind(record) for record in records})
    return "\n".join(_one([record for record in records if _kind(record) == kind], comparisons) for kind in kinds)


def row_name(record: Record) -> str:
    """What a record is called among the runs that are compared: such as ``concat (text+voice)``."""
    return f"{record.system} ({'+'.join(record.modalities)})"


def replaced(document: str, name: str, body: str) -> str:
    """A document with the lines between ``<!-- name:begin -->`` and ``<!-- name:end -->`` replaced by ``body``.

    Raises FormatError where the markers are not there once each, in this order.
    """
    begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
    if document.count(begin) != 1 or document.count(end) != 1 or document.index(begin) > document.index(end):
        raise FormatError(f"document without the section '{name}': expected one line '{begin}' and below it '{end}'")
    before, rest = document.split(begin)
    after = rest.split(end)[1]
    return f"{before}{begin}\n{body.strip()}\n{end}{after}"


def update(path: Path, name: str, body: str) -> None:
    """Replace a section of a file; a section that is not there yet is added at the end, a missing file is made."""
    document = path.read_text(encoding="utf-8") if path.exists() else ""
    if f"<!-- {name}:begin -->" not in document:
        document += f"{chr(10) if document else ''}<!-- {name}:begin -->\n<!-- {name}:end -->\n"
    with replacing(path) as temporary:
        temporary.write_text(replaced(document, name, body), encoding="utf-8")


def _kind(record: Record) -> tuple[str, str, tuple[tuple[str, int], ...]]:
    return record.protocol, record.metric, tuple(sorted(record.label_counts.items()))


def _one(records: Sequence[Record], comparisons: Sequence[Comparison]) -> str:
    protocol, metric, _ = _kind(records[0])
    ranked = sorted(records, key=lambda record: (-record.mean, row_name(record)))
    counts = ", ".join(f"{name} {number}" for name, number in ranked[0].label_counts.items())
    total = sum(ranked[0].label_counts.values())
    rows = [_HEAD, ("---",) * len(_HEAD), *(_row(record, metric, comparisons) for record in ranked)]
    lines = [
        f"**{protocol}**, {NAMES.get(metric, metric)} in percent, {total:,} test utterances ({counts})",
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
        *_notes(ranked),
        "",
    ]
    return "\n".join(lines)


def _row(record: Record, metric: str, comparisons: Sequence[Comparison]) -> tuple[str, ...]:
    spread = f" ± {100 * record.sd:.1f}" if record.sd is not None else ""
    claimed = record.best_test_epoch_figure
    return (
        _cell(record.system),
        _cell(" + ".join(record.modalities)),
        f"{record.parameters:,}" if record.parameters is not None else "",
        f"{record.train_seconds:,.0f}" if record.train_seconds is not None else "",
        f"{100 * record.mean:.1f}{spread} ({record.n})",
        f"{100 * record.low:.1f} to {100 * record.high:.1f}",
        f"{100 * record.published:.1f} ({_cell(record.source or '')})" if record.published is not None else "",
        "yes" if record.comparable else "no",
        f"{100 * claimed:.1f}" if claimed is not None else "",
        _beaten(row_name(record), metric, comparisons),
    )


def _beaten(name: str, metric: str, comparisons: Sequence[Comparison]) -> str:
    made = [c for c in comparisons if c.metric == metric and name in (c.first, c.second)]
    if not made:
        return "not tested"
    losers = sorted({c.first if c.second == name else c.second for c in made if c.better == name})
    return _cell(", ".join(losers)) if losers else "none"


def _notes(ranked: Sequence[Record]) -> list[str]:
    """The reasons of rows that are not comparable, or whose published figure is not, one line each."""
    reasons = [f"- {_cell(row_name(record))}: {_cell(record.why)}" for record in ranked if record.why]
    return ["", *reasons] if reasons else []


def _cell(text: str) -> str:
    """Text that cannot break out of a table cell."""
    return html.escape(text, quote=False).replace("|", "\\|").replace("\n", " ")
