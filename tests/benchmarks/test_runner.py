"""Benches are planned, run in processes and made into records with what differs significantly."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from merc.benchmarks import cell, runner, table2
from merc.benchmarks.cell import Cell
from merc.benchmarks.report import run_bench
from merc.benchmarks.runner import BenchOptions
from merc.errors import InputError
from merc.evaluation.metrics import NAMES
from merc.recipes.request import Request
from merc.reporting import leaderboard
from merc.systems import SYSTEMS, Published
from tests.benchmarks.made_bench import finished


def test_the_plan_holds_every_system_seed_and_fold_once(made: BenchOptions) -> None:
    cells = runner.plan(made)
    assert [(one.request.system, one.request.seed, one.fold) for one in cells] == [
        ("concat", 0, "official"),
        ("concat", 1, "official"),
        ("cogmen", 0, "official"),
        ("cogmen", 1, "official"),
    ]
    assert len({one.path(made.runs) for one in cells}) == 4


def test_a_system_that_cannot_read_the_features_is_left_out(made: BenchOptions) -> None:
    source = str((made.features or {})["meld"]).removeprefix("text=")
    with pytest.raises(InputError, match="no system of m2fnet can read the features of meld-7"):
        runner.plan(replace(made, only=("m2fnet",), features={"meld": f"voice={source}"}))
    with pytest.raises(InputError, match="no system of deepmsi can read the features of meld-7"):
        runner.plan(replace(made, only=("deepmsi",), features={"meld": "text=mpnet,face=au17"}))  # no grid of cells


def test_a_regression_is_no_bench_of_classes(made: BenchOptions) -> None:
    with pytest.raises(InputError, match="'iemocap-dimensions' is a regression, and a bench compares classes"):
        runner.plan(replace(made, protocols=("iemocap-dimensions",)))


def test_rows_are_records_with_intervals_published_figures_and_comparisons(made: BenchOptions) -> None:
    report = runner.outcome(finished(made), made)
    assert [(one.system, one.n, one.modalities) for one in report.records] == [
        ("concat", 2, ("text",)),
        ("cogmen", 2, ("text",)),
    ]
    for record in report.records:
        assert record.low <= record.mean <= record.high
        assert record.best_test_epoch_figure is not None and record.best_test_epoch_figure >= record.mean
        assert record.parameters and record.train_seconds
        assert {"calibration_error", "calibration_error_scaled"} <= set(record.figures)
    (pair,) = report.comparisons["meld-7 weighted_f1"]
    assert (pair.first, pair.second) == ("concat (text)", "cogmen (text)")
    ledger = (made.runs / "ledger.jsonl").read_text(encoding="utf-8").splitlines()
    reasons = {json.loads(line)["reason"] for line in ledger}
    assert reasons == {"not a result: best test epoch", cell.REASON}


def test_a_figure_of_other_modalities_is_not_comparable_and_sizes_stand_side_by_side(made: BenchOptions) -> None:
    cells = finished(made)
    figure = Published("meld-7", "weighted_f1", 66.4, "a paper", comparable=True, why="other features")
    for heard, comparable in ((("text",), True), ((), False)):
        found = runner.outcome(cells, made, published=lambda *_, own=heard: replace(figure, modalities=own))
        concat, cogmen = found.records
        assert (concat.comparable, cogmen.comparable) == (comparable, comparable)
        assert (cogmen.why or "").endswith("other features" if comparable else "it reads text + voice + face + motion")
    assert concat.source_parameters is None
    assert cogmen.source_parameters and cogmen.source_parameters != cogmen.parameters
    text = leaderboard.table(found.records)
    assert (
        f"| {cogmen.parameters:,} | {cogmen.source_parameters:,} |" in text and f"| {concat.parameters:,} |  |" in text
    )


def test_a_bench_runs_in_processes(made: BenchOptions, tmp_path: Path) -> None:
    options = replace(made, only=("concat",), seeds=1, folder=tmp_path / "bench", workers=1)
    told: list[float] = []
    report = run_bench("systems", options, progress=lambda stage, done, total: told.append(done / total))
    assert told[-1] == 1.0
    assert report.failures == ()
    (record,) = (json.loads(line) for line in report.json().splitlines())
    fields = "protocol system modalities metric mean sd n low high published source comparable"
    assert set(fields.split()) <= set(record)


def test_a_cell_that_fails_is_a_line_with_its_reason(made: BenchOptions, tmp_path: Path) -> None:
    wrong = replace(runner.plan(made)[0].request, options={"depth": 1})
    with pytest.raises(InputError, match="system 'concat' has no option 'depth'"):
        Cell(wrong, "official").path(tmp_path)
    absent = replace(runner.plan(made)[0].request, features=f"text={tmp_path}:made")
    (failed,) = runner.run([Cell(absent, "official")], replace(made, folder=tmp_path, workers=1))
    assert "is not a feature store" in failed.reason


def test_the_table_of_the_paper_stands_beside_ours() -> None:
    asked = Cell(Request("mamba", "meld-7", modalities=("text", "voice", "face")), "official")
    figure = table2.printed(asked, "weighted_f1")
    assert figure is not None and (figure.value, figure.comparable) == (64.3, False)
    assert "filtered" in figure.why
    voice = Cell(Request("mamba", "meld-7", modalities=("voice",)), "official")
    assert table2.printed(voice, "weighted_f1") is None
    assert table2.printed(asked, "macro_f1") is None
    assert len(table2.CONFIGURATIONS) == 7


def test_published_figures_name_their_metric_as_records_do() -> None:
    for name, kind in SYSTEMS.items():
        for figure in kind.description.published:
            assert figure.metric in NAMES, (name, figure.metric)


def test_options_are_checked() -> None:
    with pytest.raises(InputError, match="seeds is 0: expected at least 1"):
        BenchOptions(seeds=0)
    with pytest.raises(InputError, match="bench 'all': expected systems, paper, variants"):
        run_bench("all", BenchOptions())


def test_a_bench_means_by_a_name_what_training_does() -> None:
    for name in SYSTEMS:
        asked = runner.request(name, "iemocap6", options=BenchOptions(), modalities=("text", "voice"))
        assert (asked.options, asked.training) == ({}, {}), "no option that the command does not show"


def test_options_are_of_one_system() -> None:
    with pytest.raises(InputError, match="options width of a system: name that one system alone"):
        runner.plan(BenchOptions(options={"width": 1}))


def test_a_row_records_its_settings(made: BenchOptions) -> None:
    cells = finished(made)
    record = runner.outcome(cells, made).records[0]
    assert record.settings["training"]["epochs"] == 3 and "learning_rate" in record.settings["training"]
    assert record.settings["system"] and len(record.code) == 64
