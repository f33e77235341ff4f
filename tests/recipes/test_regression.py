"""A regression from the request to the report: values are learned, chosen by CCC, measured and recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from merc.benchmarks.run_report import JointReport, ValueReport, report_run
from merc.cli.app import app
from merc.errors import InputError, ProtocolError
from merc.evaluation.metrics import ccc, mae, pearson
from merc.recipes import request as asking
from merc.recipes.request import Prepared, Request, settled
from merc.recipes.systems import evaluate, load_fold, load_run, train
from tests.recipes import made_iemocap

PROTOCOL = "iemocap-dimensions"
QUICK = {"epochs": 20, "patience": 20, "learning_rate": 2e-2, "batch": 4}
DIMENSIONS = ("valence", "activation", "dominance")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    asking.read.cache_clear()
    asking._loaded.cache_clear()
    yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    made_iemocap.store(made_iemocap.tree(folder))
    return folder


def request(root: Path, **more: object) -> Request:
    source = f"text={root / 'store'}:made"
    return replace(Request("concat", PROTOCOL, source, training=QUICK, data=root), **more)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def run(root: Path) -> Path:
    """The folder of a run on all five folds."""
    trained = list(train(request(root), root / "run"))
    assert [one.fold.name for one in trained] == [f"session-{number}" for number in range(1, 6)]
    return root / "run"


ABLE: dict[str, dict[str, object]] = {
    "concat": {},
    "mamba_dialogue": {},
    "bridge_tokens": {"options": {"width": 16, "heads": 2, "dropout": 0.0}, "training": {**QUICK, "batch": 16}},
    "ranklist": {"options": {"loss": "ccc"}},
    "cogmen": {"options": {"dropout": 0.0, "skip": True}, "training": {**QUICK, "learning_rate": 5e-3, "epochs": 40}},
}


@pytest.mark.parametrize("system", ABLE)
def test_systems_learn_values_and_choose_the_epoch_by_ccc(root: Path, tmp_path: Path, system: str) -> None:
    (trained,) = train(request(root, system=system, **ABLE[system]), tmp_path / "run", only=["session-5"])
    figures = trained.fitted.figures()
    assert figures["ccc"] > 0.7
    assert figures["ccc"] == pytest.approx(np.mean([figures[f"ccc/{name}"] for name in DIMENSIONS]))
    assert figures["ccc"] == max(row["ccc"] for row in trained.fitted.history)
    again = load_fold(tmp_path / "run", load_run(tmp_path / "run", data=root), trained.fold)
    ids = list(trained.fold.valid.ids)
    assert np.array_equal(again.predict(ids).values, trained.predict(ids).values)
    assert 1 < trained.predict(ids).values.mean() < 5 and trained.predict(ids).logits.shape == (len(ids), 0)


def test_a_report_has_figures_with_intervals_by_dimension_and_their_mean(run: Path, root: Path) -> None:
    valid = report_run(run, split="valid", data=root)
    assert not (run / "ledger.jsonl").exists() and valid.record.mean > 0.7
    report = report_run(run, split="test", data=root)
    assert isinstance(report, ValueReport)
    lines = [json.loads(line) for line in (run / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(line["fold"], line["count"]) for line in lines] == [(f"session-{number}", 1) for number in range(1, 6)]
    record, answers, turns = report.record, report.answers, 5 * made_iemocap.DIALOGUES * made_iemocap.TURNS
    assert record.metric == "ccc" and record.label_counts == dict.fromkeys(DIMENSIONS, turns)
    assert set(record.folds) == set("12345") and record.settings["training"]["metric"] == "ccc"
    assert record.low < record.mean < record.high and record.mean == report.means["ccc"].mean
    measures = {"ccc": ccc, "pearson": pearson, "mae": mae}
    for place, name in enumerate(DIMENSIONS):
        for metric, measure in measures.items():
            found = report.by_dimension[name][metric]
            assert found.mean == pytest.approx(measure(answers.true[:, place], answers.predicted[:, place]))
            assert found.low < found.mean < found.high
    assert record.mean == pytest.approx(np.mean([report.by_dimension[name]["ccc"].mean for name in DIMENSIONS]))
    with pytest.raises(InputError, match="no pictures for .*: they show classes, but iemocap-dimensions is a regress"):
        report.draw(root / "pictures")


def test_test_targets_are_not_in_the_material(root: Path) -> None:
    prepared = Prepared(request(root))
    fold = prepared.folds()[0]
    material = prepared.material(fold)
    rated = {turn.id for one in material.conversations for turn in one if turn.scores}
    assert rated == fold.train.scored | fold.valid.scored and not rated & set(fold.test.ids)


def test_what_reads_classes_is_off_or_refused(root: Path) -> None:
    found = settled(request(root, system="mamba_dialogue"))["training"]
    assert (found["smoothing"], found["class_weights"], found["curriculum"]) == (0.0, False, None)
    for name, value in (("smoothing", 0.1), ("class_weights", True), ("curriculum", "shift"), ("gradients", "cggm")):
        with pytest.raises(
            InputError, match=f"training option '{name}' reads classes, but protocol .* dominance; leave it out"
        ):
            Prepared(request(root, training={name: value}))
    with pytest.raises(
        InputError, match="'value_loss' is of a regression, but protocol 'iemocap4-session' has classes"
    ):
        Prepared(request(root, protocol="iemocap4-session", training={"value_loss": "mse"}))
    with pytest.raises(InputError, match="value_loss is 'mae': expected one of ccc, mse"):
        Prepared(request(root, training={"value_loss": "mae"}))


def test_a_system_of_classes_is_refused_with_those_that_predict_values(root: Path) -> None:
    with pytest.raises(
        InputError,
        match=r"'iemocap-dimensions' is a regression of valence, activation, dominance, but system 'm2fnet' predicts "
        r"classes only; choose one of bridge_tokens, cogmen, concat, .*mamba_dialogue, .*or a protocol with classes",
    ):
        Prepared(request(root, system="m2fnet"))


def test_a_corpus_without_targets_is_refused(root: Path) -> None:
    prepared = Prepared(request(root))
    bare = [replace(one, utterances=tuple(replace(turn, scores={}) for turn in one)) for one in prepared.conversations]
    with pytest.raises(ProtocolError, match="a score val, act, dom: a corpus without targets"):
        Prepared(request(root), bare).folds()


def test_a_dimension_that_never_varies_has_no_correlation(tmp_path: Path) -> None:
    made_iemocap.store(made_iemocap.tree(tmp_path, dominance=False))
    list(train(request(tmp_path, training={**QUICK, "epochs": 2}), tmp_path / "run"))
    report = report_run(tmp_path / "run", split="valid", data=tmp_path)
    row = next(line for line in report.text().splitlines() if line.startswith("| dominance"))
    assert row.split(" | ")[3].strip() == "–"
    assert np.isnan(report.by_dimension["dominance"]["pearson"].mean)
    assert (
        "pearson dominance" not in report.record.figures and report.as_json()["intervals"]["mean"]["pearson"][0] is None
    )


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    made_iemocap.store(made_iemocap.tree(folder, classes=True))
    return folder


def test_classes_and_dimensions_are_trained_measured_and_printed_together(labelled: Path, tmp_path: Path) -> None:
    joint = "iemocap4-dimensions"
    asked = request(labelled, protocol=joint, training={**QUICK, "epochs": 6})
    assert settled(asked)["training"]["metric"] == "joint"
    list(train(asked, tmp_path / "run"))
    report = report_run(tmp_path / "run", split="test", data=labelled)
    lines = [json.loads(line) for line in (tmp_path / "run" / "ledger.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["count"] for line in lines] == [1] * 10, "one look at each fold for both"
    assert isinstance(report, JointReport)
    turns = 5 * made_iemocap.DIALOGUES * made_iemocap.TURNS
    assert len(report.values.answers) == turns > len(report.classes.answers) == turns * 5 // 6
    figures = report.record.figures
    assert report.record.metric == "unweighted_recall" and report.record.mean > 0.4
    assert figures["unweighted_recall"] == pytest.approx(report.record.mean) and figures["ccc"] > 0.6
    assert figures["ccc valence"] == pytest.approx(report.values.by_dimension["valence"]["ccc"].mean)
    assert report.as_json()["figures"] == report.record.to_dict()["figures"]
    assert set(report.as_json()["intervals"]) == {*DIMENSIONS, "mean"} and "confusion" in report.as_json()
    text = report.text()
    assert f"UA {100 * report.record.mean:.2f} (95 %" in text and "| valence" in text and "CCC 0." in text
    assert [path.name for path in report.draw(tmp_path / "pictures")]


def test_ranks_are_learned_by_lists_and_printed_as_tau(root: Path, tmp_path: Path) -> None:
    runner, out = CliRunner(), str(tmp_path / "run")
    words = ["train", "ranklist", "--protocol", "iemocap-ranks", "--features", f"text={root / 'store'}:made", "-q"]
    for change in ("epochs=4", "learning_rate=0.02", "batch=4", "system.length=8"):
        words += ["--set", change]
    done = runner.invoke(app, [*words, "--out", out, "--data", str(root)])
    assert done.exit_code == 0, done.exception
    assert "Ses01F: epoch " in done.output and "Kendall τ-b valence 0." in done.output
    text = runner.invoke(app, ["evaluate", out, "--split", "test", "--data", str(root)]).output
    assert "ranklist (text), iemocap-ranks, test, seed 0\nKendall τ-b 0." in text
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert "Kendall τ-b" in rows[0] and "pairwise ranking accuracy" in rows[0] and "CCC" not in rows[0]
    report = report_run(Path(out), split="test", data=root)
    assert isinstance(report, ValueReport) and report.record.mean > 0.6
    assert set(report.means) == {"kendall_tau", "ranking_accuracy"}


def test_a_system_of_values_alone_is_refused_classes(root: Path) -> None:
    for protocol in ("iemocap4-speaker", "iemocap4-dimensions"):
        with pytest.raises(
            InputError,
            match=f"'{protocol}' has classes, but system 'ranklist' predicts values alone; choose one of "
            "meld-sentiment, iemocap-dimensions",
        ):
            Prepared(request(root, system="ranklist", protocol=protocol))
    with pytest.raises(InputError, match="'iemocap4-dimensions' has classes and valence, activation, dominance, but"):
        Prepared(request(root, system="m2fnet", protocol="iemocap4-dimensions"))
    with pytest.raises(InputError, match="'value_weight' is of a regression, but protocol 'iemocap4-session' has"):
        Prepared(request(root, protocol="iemocap4-session", training={"value_weight": 2.0}))


def test_the_commands_train_and_print_ccc_pearson_and_mae(root: Path, tmp_path: Path) -> None:
    runner, out = CliRunner(), str(tmp_path / "run")
    words = ["train", "concat", "--protocol", PROTOCOL, "--features", f"text={root / 'store'}:made", "--out", out, "-q"]
    for change in ("epochs=5", "learning_rate=0.02", "value_loss=mse"):
        words += ["--set", change]
    done = runner.invoke(app, [*words, "--data", str(root)])
    assert done.exit_code == 0, done.exception
    assert "session-1: epoch " in done.output and ", CCC valence 0." in done.output
    arguments = ["evaluate", out, "--split", "test", "--data", str(root)]
    text = runner.invoke(app, arguments).output
    assert "concat (text), iemocap-dimensions, test, seed 0\nCCC 0." in text
    assert "mean over valence, activation, dominance; intervals of 95 % in brackets" in text
    rows = {line.split(" | ")[0].strip("| "): line.split(" | ")[1:] for line in text.splitlines() if line[:1] == "|"}
    assert [cell.strip(" |") for cell in rows["dimension"]] == ["utterances", "CCC", "Pearson r", "MAE"]
    assert all(len(rows[name]) == 4 and "[" in rows[name][1] for name in (*DIMENSIONS, "mean"))
    found = json.loads(runner.invoke(app, [*arguments, "--json"]).output)
    assert found["dimensions"] == list(DIMENSIONS) and found["metric"] == "ccc"
    assert set(found["intervals"]) == {*DIMENSIONS, "mean"} and set(found["intervals"]["mean"]) == {
        "ccc",
        "pearson",
        "mae",
    }
    history = [json.loads(line) for line in (tmp_path / "run" / "session-1" / "history.jsonl").read_text().splitlines()]
    assert len(history) == 5
    assert len(list(evaluate(tmp_path / "run", split="valid", data=root))) == 5
