from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from merc.cli import bench, evaluate, systems, train
from merc.errors import InputError, UnknownName
from merc.systems import SYSTEMS
from tests.recipes import made_meld

RUN = CliRunner()

app = typer.Typer()
app.command("systems")(systems.systems)
app.command("train")(train.train)
app.command("evaluate")(evaluate.evaluate)
app.add_typer(bench.app, name="bench")

QUICK = ["--set", "epochs=3", "--set", "learning_rate=0.01"]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpora")
    made_meld.store(made_meld.tree(folder))
    return folder


def test_the_systems_are_listed_with_inputs_parameters_licence_and_published_figures() -> None:
    done = RUN.invoke(app, ["systems", "concat"])
    assert done.exit_code == 0
    for word in ("concat: Simplified", "face, motion as vectors", "parameters:", "licence:", "published: 92.0", "not comp"):
        assert word in done.output
    row = json.loads(RUN.invoke(app, ["systems", "concat", "--json"]).output)
    assert {"parameters", "licence", "published", "needs"} <= set(row)


def test_every_system_has_a_row_and_the_page_of_reference_is_that_of_the_descriptions(tmp_path: Path) -> None:
    rows = json.loads(RUN.invoke(app, ["systems", "--json"]).output)
    assert [row["name"] for row in rows] == sorted(SYSTEMS)
    assert all(row["parameters"] > 0 and row["licence"] and row["paper"] for row in rows)
    page = tmp_path / "systems.md"
    assert RUN.invoke(app, ["systems", "--page", str(page)]).exit_code == 0
    kept = Path(__file__).parents[2] / "docs" / "reference" / "systems.md"
    assert page.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8"), (
        "run 'merc systems --page docs/reference/systems.md'"
    )


def test_an_unknown_system_is_answered_with_the_nearest() -> None:
    for words in (["systems", "cogmn"], ["train", "cogmn", "--out", "x"]):
        error = RUN.invoke(app, words).exception
        assert isinstance(error, UnknownName)
        assert "did you mean 'cogmen'" in str(error)


def test_a_system_is_trained_and_evaluated_from_the_command_line(root: Path, tmp_path: Path) -> None:
    features = f"text={root / 'store'}:made"
    out = str(tmp_path / "run")
    words = ["train", "concat", "--corpus", "meld", "--features", features, "--data", str(root), "--out", out, *QUICK]
    done = RUN.invoke(app, [*words, "--quiet"])
    assert done.exit_code == 0, done.exception
    assert "official: epoch" in done.output
    valid = RUN.invoke(app, ["evaluate", out, "--data", str(root)])
    assert "meld-7, valid, seed 0" in valid.output
    test = RUN.invoke(app, ["evaluate", out, "--split", "test", "--data", str(root), "--json"])
    record = json.loads(test.output)
    assert (record["split"], record["system"], record["modalities"]) == ("test", "concat", ["text"])
    assert (tmp_path / "run" / "ledger.jsonl").exists()
    error = RUN.invoke(app, [*words, "--modalities", "voice"]).exception
    assert isinstance(error, InputError)
    assert "the features have no modality voice; they have text" in str(error)


def test_the_benches_have_help() -> None:
    for words in (["bench", "systems", "--help"], ["bench", "paper", "--help"], ["train", "--help"]):
        assert "Usage" in RUN.invoke(app, words).output
