from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc import __version__, weights
from merc.cli.app import app

RUN = CliRunner()


def test_the_version_is_printed() -> None:
    assert RUN.invoke(app, ["--version"]).output == f"merc {__version__}\n"


def test_the_weights_are_listed_with_source_licence_and_hash() -> None:
    rows = json.loads(RUN.invoke(app, ["weights", "list", "--json"]).output)
    assert {row["name"] for row in rows} == set(weights.WEIGHTS)
    assert all(row["licence"] and row["sources"] and len(row["sha256"]) == 64 for row in rows)
    plain = RUN.invoke(app, ["weights", "list"]).output
    assert all(name in plain for name in weights.WEIGHTS)


def test_the_path_of_a_weight_that_is_not_here_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path))
    error = RUN.invoke(app, ["weights", "path", "mpnet"]).exception
    assert "run 'merc weights get mpnet'" in str(error)


def test_the_cache_is_cleared_and_says_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    (tmp_path / "artefacts" / "ab").mkdir(parents=True)
    assert RUN.invoke(app, ["cache", "path"]).output.strip() == str(tmp_path / "artefacts")
    RUN.invoke(app, ["cache", "clear"])
    assert not (tmp_path / "artefacts").exists()
    assert tmp_path.exists()


def test_an_option_that_cannot_work_is_refused_with_what_was_expected(tmp_path: Path) -> None:
    error = RUN.invoke(app, ["analyze", str(tmp_path / "a.wav"), "--speakers", "0"]).exception
    assert str(error) == "speakers is 0: expected 1 or more, or none to have them counted"


def test_every_verb_has_help() -> None:
    for verb in (["analyze"], ["demo"], ["adapt"], ["weights"], ["cache"], ["weights", "get"]):
        done = RUN.invoke(app, [*verb, "--help"])
        assert done.exit_code == 0
        assert "Usage" in done.output
