"""``merc evaluate``: figures of a run on validation and test, and the ledger."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.app import app
from merc.errors import InputError
from tests.recipes import made_meld

RUN = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder of the corpora and that of a trained run."""
    root = tmp_path_factory.mktemp("corpora")
    made_meld.store(made_meld.tree(root))
    out = root / "run"
    features = f"text={root / 'store'}:made"
    arguments = ["train", "concat", "--features", features, "--data", str(root), "--out", str(out), "-q"]
    done = RUN.invoke(app, [*arguments, "--set", "epochs=3", "--set", "learning_rate=0.01"])
    assert done.exit_code == 0, done.exception
    return root, out


def test_validation_and_test_are_measured_and_test_is_recorded(run: tuple[Path, Path]) -> None:
    root, out = run
    assert "meld-7, valid, seed 0" in RUN.invoke(app, ["evaluate", str(out), "--data", str(root)]).output
    assert not (out / "ledger.jsonl").exists()
    test = RUN.invoke(app, ["evaluate", str(out), "--split", "test", "--data", str(root), "--json"])
    record = json.loads(test.output)
    assert (record["split"], record["system"], record["modalities"]) == ("test", "concat", ["text"])
    assert len((out / "ledger.jsonl").read_text().splitlines()) == 1


def test_the_device_is_that_of_the_command(run: tuple[Path, Path]) -> None:
    root, out = run
    arguments = ["evaluate", str(out), "--data", str(root)]
    same = [RUN.invoke(app, [*arguments, *more]).output for more in ([], ["--device", "cpu"])]
    assert same[0] == same[1] and "accuracy" in same[0]
    error = RUN.invoke(app, [*arguments, "--device", "abacus"]).exception
    assert isinstance(error, InputError) and "device 'abacus'" in str(error)


def test_the_answers_are_written_as_a_table(run: tuple[Path, Path], tmp_path: Path) -> None:
    root, out = run
    table = tmp_path / "answers.csv"
    arguments = ["evaluate", str(out), "--split", "test", "--data", str(root), "--json"]
    record = json.loads(RUN.invoke(app, [*arguments, "--predictions", str(table)]).output)
    with table.open() as file:
        rows = list(csv.DictReader(file))
    right = sum(row["annotated"] == row["predicted"] for row in rows)
    assert right / len(rows) == pytest.approx(record["figures"]["accuracy"]) and right
    assert all(max(record["classes"], key=lambda label: float(row[f"p_{label}"])) == row["predicted"] for row in rows)
