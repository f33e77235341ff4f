from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc import weights
from merc.cli.app import app

RUN = CliRunner()


def test_the_weights_are_listed_with_source_licence_and_hash() -> None:
    rows = json.loads(RUN.invoke(app, ["weights", "list", "--json"]).output)
    assert {row["name"] for row in rows} == set(weights.WEIGHTS)
    assert all(row["licence"] and row["sources"] and len(row["sha256"]) == 64 for row in rows)
    assert all(row["present"] == weights.present(row["name"]) for row in rows)
    plain = RUN.invoke(app, ["weights", "list"]).output
    assert all(name in plain for name in weights.WEIGHTS)
    assert max(map(len, plain.splitlines())) <= 80


def test_the_path_of_an_absent_weight_names_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path))
    error = RUN.invoke(app, ["weights", "path", "mpnet"]).exception
    assert "run 'merc weights get mpnet'" in str(error)


def test_fetched_weights_are_named_with_their_origin(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def get(names: list[str], *, progress: object = None, mirror: str | None = None) -> dict[str, str]:
        asked.append(names)
        return {"mpnet": "hub", "mtcnn": "cache"}

    monkeypatch.setattr(weights, "get", get)
    printed = RUN.invoke(app, ["weights", "get", "mpnet", "mtcnn"]).output
    assert printed == "mpnet: from the hub, hash checked\nmtcnn: already present, hash checked\n"
    assert RUN.invoke(app, ["weights", "get", "-q"]).output == ""
    needed = [name for name, weight in weights.WEIGHTS.items() if not weight.optional]
    assert asked == [["mpnet", "mtcnn"], needed]
    assert "whisper-large-v3" not in needed


def test_a_mirror_is_written_and_what_is_left_out_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", str(tmp_path / "none"))
    printed = RUN.invoke(app, ["weights", "mirror", str(tmp_path / "mirror")]).output
    assert "mpnet: left out, not downloaded here\n" in printed
    assert printed.endswith("mirror: 0 weights, 0 MB\n")
    error = RUN.invoke(app, ["weights", "get", "mpnet", "--from", str(tmp_path / "mirror"), "--proxy", "http://p:1"])
    assert "lacks mpnet (not downloaded here)" in str(error.exception)
