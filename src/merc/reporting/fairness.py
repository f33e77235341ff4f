"""Groups of speakers and dialogues side by side, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from merc.evaluation.fairness import Fairness, Group
from merc.evaluation.metrics import NAMES
from merc.reporting import markdown
from merc.reporting.markdown import cell


def summary(reports: Mapping[str, Fairness]) -> str:
    """A Markdown table with one line per grouping, by its name: the worst group, the best one, the gap.

    In percent, with intervals and utterances; a grouping with fewer than two groups that are large enough says so.
    """
    rows = [["by", "groups", "worst", "best", "best minus worst", "spread (sd)"]]
    for kind, report in reports.items():
        large = {one.name: one for one in report.groups if one.name not in report.small}
        named = f"{cell(kind)} ({NAMES[report.metric]})"
        number = str(len(large)) + (f" ({len(report.small)} too small)" if report.small else "")
        if report.gap is None or report.best is None or report.worst is None:
            rows.append([named, number, "", "", "fewer than two are large enough", ""])
            continue
        gap = f"{100 * report.gap:.1f} [{100 * (report.low or 0):.1f}, {100 * (report.high or 0):.1f}]"
        spread = f"{100 * np.std([one.value for one in large.values()]):.1f}"
        rows.append([named, number, _told(large[report.worst]), _told(large[report.best]), gap, spread])
    return markdown.table(rows)


def _told(group: Group) -> str:
    ends = "" if group.low is None or group.high is None else f" [{100 * group.low:.1f}, {100 * group.high:.1f}]"
    return f"{cell(group.name)} {100 * group.value:.1f}{ends} ({group.utterances:,})"


def table(report: Fairness) -> str:
    """A Markdown table in percent, with the gap and the groups that are too small for it below."""
    rows = [["group", "utterances", "dialogues", "figure", "95 % interval"]]
    for one in report.groups:
        figure = f"{100 * one.value:.1f}"
        rows.append([cell(one.name), str(one.utterances), str(one.dialogues), figure, _interval(one.low, one.high)])
    gap = small = ""
    if report.gap is not None:
        gap = f"Gap, {report.best} minus {report.worst}: {100 * report.gap:.1f} ({_interval(report.low, report.high)})."
    if report.small:
        small = f"Too small to take part in a gap ({report.limits}): {', '.join(report.small)}."
    return markdown.joined([markdown.table(rows), gap, small])


def _interval(low: float | None, high: float | None) -> str:
    return "unknown" if low is None or high is None else f"{100 * low:.1f} to {100 * high:.1f}"
