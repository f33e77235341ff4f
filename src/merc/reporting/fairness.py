"""Figures by group of speakers and dialogues, as Markdown tables."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from merc.evaluation.fairness import Fairness, Group
from merc.reporting import markdown, printing
from merc.reporting.markdown import cell


def summary(reports: Mapping[str, Fairness]) -> str:
    """A Markdown table with one line per grouping, by its name: the worst group, the best one, the gap.

    In percent, with intervals and utterances; a grouping with fewer than two groups that are large enough says so.
    """
    rows = [["by", "groups", "worst", "best", "gap (best - worst)", "spread (sd)"]]
    for kind, report in reports.items():
        large = {one.name: one for one in report.groups if one.name not in report.small}
        named = f"{cell(kind)} ({printing.title(report.metric)})"
        number = str(len(large)) + (f" ({len(report.small)} too small)" if report.small else "")
        if report.gap is None or report.best is None or report.worst is None:
            rows.append([named, number, "", "", "fewer than two are large enough", ""])
            continue
        gap = printing.figure(report.gap, report.low, report.high, metric=report.metric)
        spread = printing.number(float(np.std([one.value for one in large.values()])), report.metric)
        ends = (_group(large[name], report.metric) for name in (report.worst, report.best))
        rows.append([named, number, *ends, gap, spread])
    return markdown.table(rows)


def _group(group: Group, metric: str) -> str:
    value = printing.figure(group.value, group.low, group.high, metric=metric)
    return f"{cell(group.name)} {value} ({group.utterances:,})"


def table(report: Fairness) -> str:
    """A Markdown table in percent, with the gap and the groups that are too small for it below."""
    rows = [["group", "utterances", "dialogues", "figure", "95 % interval"]]
    for one in report.groups:
        figure = printing.number(one.value, report.metric)
        rows.append(
            [
                cell(one.name),
                str(one.utterances),
                str(one.dialogues),
                figure,
                _interval(one.low, one.high, report.metric),
            ]
        )
    gap = small = ""
    if report.gap is not None:
        size, ends = printing.number(report.gap, report.metric), _interval(report.low, report.high, report.metric)
        gap = f"Gap, {report.best} minus {report.worst}: {size} ({ends})."
    if report.small:
        small = f"Excluded from the gap ({report.limits}): {', '.join(report.small)}."
    return markdown.joined([markdown.table(rows), gap, small])


def _interval(low: float | None, high: float | None, metric: str) -> str:
    if low is None or high is None:
        return "unknown"
    return f"{printing.number(low, metric)} to {printing.number(high, metric)}"
