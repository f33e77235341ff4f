from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc import hub
from merc.cli.app import app

RUN = CliRunner()


def test_a_push_says_what_stays_and_a_pull_which_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[object] = []

    def push(folder: Path, repository: str, *, public: bool, licence: str | None) -> hub.Pushed:
        given.append((folder, public, licence))
        return hub.Pushed(repository, "abc", "run", "CC0", ("run.json",), {"state.json": "only resumes the training"})

    def pull(repository: str, folder: Path, *, revision: str | None) -> hub.Pulled:
        given.append((folder, revision))
        return hub.Pulled(folder, "abc", "run", "CC0")

    monkeypatch.setattr(hub, "push", push)
    monkeypatch.setattr(hub, "pull", pull)
    printed = RUN.invoke(app, ["push", "runs/a", "me/mine", "--licence", "CC0"]).output
    assert (
        printed
        == "left out: state.json (only resumes the training)\nme/mine: a run, 1 files, commit abc\nlicence: CC0\n"
    )
    printed = RUN.invoke(app, ["pull", "me/mine", "--revision", "v1"]).output
    assert printed == "mine: a run, commit abc, hashes checked\nlicence: CC0\n"
    assert given == [(Path("runs/a"), False, "CC0"), (Path("mine"), "v1")]
