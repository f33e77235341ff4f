"""Records hold what a number needs, survive the file, and become tables that never change by themselves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.errors import FormatError, InputError
from merc.evaluation.metrics import STATISTICS
from merc.evaluation.protocol import PROTOCOLS
from merc.evaluation.significance import Comparison
from merc.reporting.leaderboard import against, contrasts, probability, row_name, short_names, table
from merc.reporting.records import Record, dumps, measured, read, write
from tests.evaluation.made_corpora import answered

PROTOCOL = PROTOCOLS["meld-7"]


@pytest.fixture(scope="module")
def record() -> Record:
    given = {seed: [answered(right=0.6, seed=seed)] for seed in (2, 0, 1)}
    return measured(given, protocol=PROTOCOL, system="concat", modalities=("text", "voice"))


def test_a_record_holds_mean_spread_interval_and_counts(record: Record) -> None:
    matrices = [answered(right=0.6, seed=seed).matrix for seed in range(3)]
    assert record.seeds == (0, 1, 2)
    for name, statistic in STATISTICS.items():
        assert record.figures[name] == pytest.approx(np.mean([statistic(matrix) for matrix in matrices]))
    assert record.mean == record.figures["weighted_f1"]
    assert record.low < record.mean < record.high
    assert record.sd == pytest.approx(np.std([STATISTICS["weighted_f1"](matrix) for matrix in matrices], ddof=1))
    assert record.label_counts == {name: int(n) for name, n in zip("abcd", matrices[0].sum(1), strict=True)}
    assert record.recalls["a"] == pytest.approx(np.mean([m[0, 0] / m[0].sum() for m in matrices]))
    assert record.folds == {}


def test_folds_are_pooled_and_told_apart() -> None:
    second = replace(answered(right=0.9, seed=0), ids=tuple(f"x{n}" for n in range(400)))
    folds = [answered(right=0.5, seed=0), second]
    found = measured({0: folds}, protocol=PROTOCOLS["iemocap4-session"], system="s", modalities=("text",))
    assert found.metric == "accuracy"
    assert found.mean == pytest.approx(sum(found.folds.values()) / 2)
    assert list(found.folds) == ["1", "2"]
    assert found.sd is None
    with pytest.raises(InputError, match=r"system 's': seeds \[0, 1\] have different numbers of folds"):
        measured({0: folds, 1: folds[:1]}, protocol=PROTOCOL, system="s", modalities=("text",))


def test_a_protocol_that_leaks_stamps_its_record() -> None:
    given = {0: [answered(right=0.5, seed=0)]}
    found = measured(given, protocol=PROTOCOLS["utterance-random"], system="s", modalities=("text",))
    assert not found.comparable
    assert "share dialogues" in (found.why or "")


def test_records_survive_the_file(record: Record, tmp_path: Path) -> None:
    full = replace(
        record,
        published=0.643,
        source="Table II",
        best_test_epoch_figure=0.7,
        feature_hashes={"text": "ab"},
        weight_hash="c",
    )
    path = tmp_path / "records.jsonl"
    write([record, full], path)
    again = read(path)
    assert dumps(again) == dumps([record, full]) == path.read_text(encoding="utf-8")
    assert again[1].published == 0.643
    assert again[1].modalities == ("text", "voice")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: not JSON"),
        ("[]", "line 1: record format None; expected 1"),
        ('{"format": 2}', "line 1: record format 2; expected 1"),
        ('{"format": 1, "speed": 3}', "line 1: unknown field 'speed'"),
        ('{"format": 1, "system": "x"}', "line 1: field 'modalities' is missing"),
    ],
)
def test_lines_that_are_no_records_are_named(line: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    path.write_text(line + "\n")
    with pytest.raises(FormatError, match=message):
        read(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no records at .*: run the bench"):
        read(tmp_path / "none.jsonl")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mean": float("nan")}, "mean is nan; expected a share from 0 to 1"),
        ({"mean": 64.3}, r"mean is 64.3; expected a share from 0 to 1 \(0.643 for 64.3 %\)"),
        ({"n": 5}, r"n is 5 for seeds \[0, 1, 2\]"),
        ({"comparable": False}, "it is not comparable; say why"),
        ({"published": 0.5}, "published figure 0.5 without a source"),
    ],
)
def test_records_that_say_too_little_are_refused(record: Record, changes: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match="record of concat under meld-7: " + message):
        replace(record, **changes)  # type: ignore[arg-type]


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
