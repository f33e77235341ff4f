from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from merc.cli.app import app
from merc.cli.search import command
from merc.errors import InputError
from merc.recipes import request as asking
from merc.recipes.request import Request
from merc.search.space import parse
from merc.search.study import Outcome, Search
from tests.recipes import made_meld

RUN = CliRunner()


def test_a_search_ends_with_a_command_that_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("optuna")
    asking.read.cache_clear()
    monkeypatch.chdir(tmp_path)
    made_meld.store(made_meld.tree(tmp_path))
    given = ["--features", f"text={tmp_path / 'store'}:made", "--data", str(tmp_path), "--set", "epochs=2"]
    done = RUN.invoke(app, ["search", "concat", "--trials", "2", "--over", "system.width=8,128", *given])
    assert done.exit_code == 0, done.exception
    lines = done.stdout.splitlines()
    assert lines[0].startswith("trial 0: validation weighted F1") and lines[0].endswith("; system.width=128")
    assert lines[2].startswith("best of 2 trials: trial ")
    assert lines[3].startswith("merc train concat --protocol meld-7 --seed 0 --features text=")
    trained = RUN.invoke(app, shlex.split(lines[3])[1:])
    assert trained.exit_code == 0 and "weights in runs/concat-best" in trained.stdout
    best = lines[2].split("weighted F1 ")[1].split(";")[0]
    assert f"weighted F1 {best}" in trained.stdout
    asking.read.cache_clear()


def test_the_command_names_what_the_request_names() -> None:
    request = Request("cogmen", "iemocap6", "text=mpnet", ("text",), 3, data=Path("my data"), weights=Path("w.csv"))
    made = command(Search(request, parse(["batch=8,16"])), Outcome(0, {"batch": 8}, 0.5), ["batch=8"])
    assert made == (
        "merc train cogmen --protocol iemocap6 --seed 3 --features text=mpnet --modalities text --sample-weights w.csv "
        "--data 'my data' --set batch=8 --out runs/cogmen-best"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nonsense"], "unknown system 'nonsense'"),
        (["concat", "--over", "batch=8"], "--over 'batch=8': one value is nothing to search"),
        (["concat", "--over", "batch=8,16", "--set", "batch=4"], "batch is both set and searched"),
    ],
)
def test_what_cannot_be_searched_is_said(words: list[str], message: str, tmp_path: Path) -> None:
    done: Any = RUN.invoke(app, ["search", *words, "--out", str(tmp_path / "run")])
    assert isinstance(done.exception, InputError) and message in str(done.exception)
