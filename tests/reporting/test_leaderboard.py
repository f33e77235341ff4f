"""Records become tables that rank, compare and never change by themselves."""

from __future__ import annotations

from dataclasses import replace

import pytest

from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.significance import Comparison
from merc.reporting.leaderboard import against, contrasts, probability, row_name, short_names, table
from merc.reporting.records import Record, measured
from tests.evaluation.made_corpora import answered

PROTOCOL = PROTOCOLS["meld-7"]


@pytest.fixture(scope="module")
def record() -> Record:
    given = {seed: [answered(right=0.6, seed=seed)] for seed in (2, 0, 1)}
    return measured(given, protocol=PROTOCOL, system="concat", modalities=("text", "voice"))


def test_the_table_ranks_and_marks(record: Record) -> None:
    better = replace(
        record,
        system="cogmen",
        mean=0.8,
        low=0.78,
        high=0.82,
        published=0.676,
        source="paper | P",
        best_test_epoch_figure=0.723,
        parameters=1234567,
        train_seconds=61.2,
        why="the paper's features are others",
    )
    pair = Comparison(row_name(better), row_name(record), "weighted_f1", 0.1, 0.05, 0.15, 0.001, 0.002, 0.01)
    text = table([record, better], comparisons=[pair])
    lines = text.splitlines()
    assert lines[0].startswith("**meld-7**: 400 test utterances (a ")
    assert lines[0].endswith(" 3 seeds; all read text + voice.")
    assert lines[2].startswith("| system | parameters | train s | weighted F1 ± sd [95 % interval] | published | best ")
    assert "best test epoch (not a result)" in lines[2]
    assert lines[4].startswith("| cogmen | 1,234,567 | 61 | 80.0 ± ")
    assert lines[4].endswith("[78.0, 82.0] | 67.6 (paper \\| P), comparable, note 1 | 72.3 (-7.7) | concat |")
    assert lines[5].startswith("| concat |")
    assert lines[5].endswith("| none |")
    assert "1. comparable: the paper's features are others" in lines
    assert text == table([better, record], comparisons=[pair])
    assert "not tested" in table([record])
    assert table([]) == ""


def test_figures_of_one_system_stand_in_one_row(record: Record) -> None:
    second = replace(record, metric="accuracy", mean=0.5, low=0.4, high=0.6, sd=None, published=0.7, source="T")
    lines = table([record, second]).splitlines()
    assert "| weighted F1 ± sd [95 % interval] | WA ± sd [95 % interval] |" in lines[2]
    assert len([line for line in lines if line.startswith("| concat |")]) == 1
    assert "| 50.0 [40.0, 60.0] | 70.0 WA (T), comparable |" in lines[4]


def test_inputs_are_told_where_they_differ_and_names_are_short_where_they_can_be(record: Record) -> None:
    alone = replace(record, modalities=("text",))
    other = replace(record, system="cogmen")
    assert short_names([record, alone, other]) == {
        "concat (text+voice)": "concat (text+voice)",
        "concat (text)": "concat (text)",
        "cogmen (text+voice)": "cogmen",
    }
    assert "| concat | text |" in table([record, alone])


def test_every_system_is_compared_with_the_reference_under_holms_correction() -> None:
    made = [
        Comparison("concat (t)", "cogmen (t)", "weighted_f1", -0.07, -0.1, -0.04, 0.0005, 0.3, 0.01),
        Comparison("m2fnet (t)", "concat (t)", "weighted_f1", 0.02, -0.01, 0.05, 0.03, 0.9, 0.2),
        Comparison("concat (t)", "tripathi (t)", "weighted_f1", 0.05, 0.02, 0.08, 0.004, 0.9, 0.2),
        Comparison("cogmen (t)", "m2fnet (t)", "weighted_f1", 0.05, 0.02, 0.08, 0.9, 0.9, 0.9),
    ]
    found = contrasts([(name, "concat (t)") for name in ("cogmen (t)", "m2fnet (t)", "tripathi (t)", "x")], made)
    assert [(one.name, one.difference, one.verdict) for one in found] == [
        ("cogmen (t)", 0.07, "better"),
        ("m2fnet (t)", 0.02, "better"),
        ("tripathi (t)", -0.05, "worse"),
    ]
    assert [one.p_adjusted for one in found] == pytest.approx([0.0015, 0.03, 0.008])
    text = against("concat (t)", made, what="which reads words alone", names={"cogmen (t)": "cogmen"})
    assert text.startswith(
        "Against **concat (t)**, which reads words alone, by weighted F1, p < .05 after Holm's correction over 3: "
        "better: cogmen, m2fnet (t); worse: tripathi (t); not shown to differ: none."
    )
    assert "| cogmen | +7.0 | +4.0 to +10.0 | < .001 | .002 | .030 | better |" in text.splitlines()
    assert against("deepmsi (t)", made) == ""
    assert [probability(value) for value in (0.0001, 0.04, 1.0)] == ["< .001", ".040", "1.000"]


def test_other_test_sets_get_another_table(record: Record) -> None:
    filtered = replace(record, label_counts={"a": 1, "b": 1})
    assert table([record, filtered]).count("**meld-7**") == 2


def test_where_lower_is_better_the_lowest_stands_first_and_figures_are_printed_as_they_are(record: Record) -> None:
    low, high = (
        replace(record, system=name, metric="mae", mean=m, sd=0.01, low=m - 0.1, high=m + 0.1, figures={}, folds={})
        for name, m in (("good", 0.9), ("bad", 1.2))
    )
    made = [Comparison(row_name(high), row_name(low), "mae", 0.3, 0.1, 0.5, 0.001, 0.001, None)]
    text = table([high, low], comparisons=made)
    assert "| MAE ± sd [95 % interval] |" in text
    assert text.index("| good ") < text.index("| bad ")
    assert "| good |" in text and "0.900 ± 0.010 [0.800, 1.000]" in text
    compared = against(row_name(low), made, names={row_name(high): "bad", row_name(low): "good"})
    assert "by MAE, p < .05 after Holm's correction over 1: better: none; worse: bad" in compared
    assert "| bad | +0.300 | +0.100 to +0.500 | .001 | .001" in compared and "| – | worse |" in compared
