"""Figures by group become tables with intervals, the gap, and the groups that are too small for it."""

from __future__ import annotations

from dataclasses import replace

from merc.evaluation.fairness import by_speaker
from merc.evaluation.resampling import Runs
from merc.reporting.fairness import summary, table
from tests.evaluation.made_corpora import answered


def runs() -> Runs:
    one = answered(right=0.7, seed=0)
    speakers = tuple("abc"[min(n % 5, 2)] if n < 380 else "rare|one" for n in range(len(one)))
    return Runs("s", (replace(one, speakers=speakers),))


def test_a_table_has_a_row_for_each_group_and_says_which_are_too_small() -> None:
    report = by_speaker(runs())
    text = table(report)
    assert text.count("\n| ") == 1 + len(report.groups)
    assert "rare\\|one" in text, "a name cannot break the table"
    assert f"Gap, {report.best} minus {report.worst}: {100 * (report.gap or 0):.1f} (" in text
    assert "Excluded from the gap (below 50 utterances or 5 dialogues" in text


def test_a_summary_has_a_line_for_each_grouping() -> None:
    report = by_speaker(runs())
    alone = replace(report, gap=None, best=None, worst=None)
    lines = summary({"speaker": report, "sex": alone}).splitlines()
    assert lines[2].startswith("| speaker (UA) | 3 (1 too small) |")
    assert f"{100 * (report.gap or 0):.1f} [" in lines[2]
    assert "fewer than two are large enough" in lines[3]
