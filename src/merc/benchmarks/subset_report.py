"""The whole test part and the subset that a check keeps, side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merc.benchmarks.subset import Subset
from merc.errors import InputError
from merc.evaluation.metrics import NAMES
from merc.evaluation.resampling import Runs, ValueRuns, estimate
from merc.reporting import markdown, printing
from merc.reporting.markdown import cell

METRICS = ("accuracy", "unweighted_recall", "weighted_f1", "macro_f1")
PARTS: Mapping[str, str] = {"all": "whole part", "kept": "kept by the check", "removed": "removed"}


def table(rows: Sequence[Runs | ValueRuns], subset: Subset, *, metrics: Sequence[str] = METRICS) -> str:
    """A sentence on the classes that the check removes, and for each row a line for each part.

    Args:
        rows: The answers of each row on the same utterances.
        subset: What the check keeps.
        metrics: Columns.

    Raises:
        InputError: Values on dimensions in place of classes, or utterances that were not checked.
    """
    lines = [["", "part", "utterances", *(f"{NAMES[metric]} ± sd [95 %]" for metric in metrics)]]
    said = ""
    for runs in rows:
        if not isinstance(runs, Runs):
            raise InputError(f"{runs.name}: predicts values, and a subset is measured by classes; leave --subset out")
        parts = subset.runs(runs)
        said = said or _classes(parts)
        for name, own in parts.items():
            figures = (estimate(own, metric=metric) for metric in metrics)
            words = [printing.figure(one.mean, one.low, one.high, sd=one.sd) for one in figures]
            lines.append([cell(runs.name), PARTS[name], f"{len(own.seeds[0]):,}", *words])
    head = f"The whole part and what `{subset.name}` ({subset.sha256[:8]}) keeps of it, by the same predictions. {said}"
    return markdown.joined([head, markdown.table(lines)])


def _classes(parts: Mapping[str, Runs]) -> str:
    """How much of each class is removed: a check that removes one more than another changes what is measured."""
    if "removed" not in parts:
        return "It removes nothing."
    every, removed = (parts[name].seeds[0].counts for name in ("all", "removed"))
    shares = ", ".join(f"{name} {printing.number(removed[name] / count)} %" for name, count in every.items() if count)
    return f"It removes: {shares}."
