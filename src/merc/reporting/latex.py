"""Records as tables in LaTeX, with the rows of the tables in Markdown; they need ``\\usepackage{booktabs}``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from merc.evaluation.metrics import LOWER_IS_BETTER
from merc.reporting import printing
from merc.reporting.leaderboard import by_test_set, ranked
from merc.reporting.records import Record

_SPECIAL = {
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "τ": r"$\tau$",
    "κ": r"$\kappa$",
    "–": "--",
    "−": "$-$",
    "…": r"\ldots{}",
}


def tables(records: Sequence[Record]) -> str:
    """One ``table`` for each protocol and test set, best system first, the best figure of a column in bold.

    Args:
        records: As ``leaderboard.table`` takes them.

    Returns:
        LaTeX; a figure is the mean over seeds with its standard deviation and the 95 % interval.
    """
    return "\n".join(_table(group) for group in by_test_set(records))


def escaped(text: str) -> str:
    """Text as LaTeX prints it.

    Example:
        >>> print(escaped("joint_vectors (T & A), 95 %"))
        joint\\_vectors (T \\& A), 95 \\%
    """
    return re.sub("|".join(map(re.escape, _SPECIAL)), lambda found: _SPECIAL[found[0]], text)


def _table(records: Sequence[Record]) -> str:
    metrics = list(dict.fromkeys(record.metric for record in records))
    alike = len({record.modalities for record in records}) == 1
    published = any(record.published is not None for record in records)
    best = {metric: _best([record for record in records if record.metric == metric]) for metric in metrics}
    head = ["system", "inputs", "parameters", *map(printing.title, metrics), "published"]
    rows = [list(map(escaped, head)), *(_cells(row, best) for _, row in ranked(records))]
    kept = [name for name in head if not (alike and name == "inputs") and (published or name != "published")]
    head_, *body = ([cell for name, cell in zip(head, row, strict=True) if name in kept] for row in rows)
    texts = sum(name in ("system", "inputs") for name in kept)
    lines = [
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_caption(records, alike=alike, published=published)}}}",
        f"  \\label{{tab:{re.sub('[^a-z0-9]+', '-', records[0].protocol.lower())}}}",
        f"  \\begin{{tabular}}{{{'l' * texts}{'r' * (len(kept) - texts)}}}",
        r"    \toprule",
        f"    {' & '.join(head_)} \\\\",
        r"    \midrule",
        *(f"    {' & '.join(cells)} \\\\" for cells in body),
        r"    \bottomrule",
        r"  \end{tabular}",
        r"\end{table}",
    ]
    return "\n".join(lines) + "\n"


def _cells(row: Sequence[Record], best: Mapping[str, float]) -> list[str]:
    """One system: name, inputs, parameters, a figure for each metric, published figures."""
    first, by_metric = row[0], {record.metric: record for record in row}
    size = f"{first.parameters:,}" if first.parameters is not None else ""
    figures = [_figure(by_metric.get(metric), value) for metric, value in best.items()]
    return [escaped(first.name), escaped(" + ".join(first.modalities)), size, *figures, _published(row)]


def _best(records: Sequence[Record]) -> float:
    choose = min if records[0].metric in LOWER_IS_BETTER else max
    return choose(record.mean for record in records)


def _figure(record: Record | None, best: float) -> str:
    if record is None:
        return ""
    value = printing.number(record.mean, record.metric)
    spread = f" $\\pm$ {printing.number(record.sd, record.metric)}" if record.sd is not None else ""
    low, high = (printing.number(end, record.metric) for end in (record.low, record.high))
    shown = rf"\textbf{{{value}}}" if record.mean == best else value
    return f"{shown}{spread} [{low}, {high}]"


def _published(row: Sequence[Record]) -> str:
    """The figures that the sources print, with a star where they are not comparable."""
    shown = [
        f"{printing.number(one.published, one.metric)}{'' if one.comparable else '*'}"
        for one in row
        if one.published is not None
    ]
    return "; ".join(shown) or "--"


def _caption(records: Sequence[Record], *, alike: bool, published: bool) -> str:
    first = records[0]
    seeds = sorted({record.n for record in records})
    words = [
        f"{first.protocol}, {sum(first.label_counts.values()):,} test utterances",
        f"mean ± standard deviation over {' or '.join(map(str, seeds))} seed{'' if seeds == [1] else 's'}",
        "95 % interval of the mean over resampled dialogues",
        *([f"all read {' + '.join(first.modalities)}"] if alike else []),
        *(["*: not comparable with ours"] if published else []),
    ]
    return escaped("; ".join(words)) + "."
