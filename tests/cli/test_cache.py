from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.app import app

RUN = CliRunner()


def test_the_cache_is_cleared_and_its_path_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    (tmp_path / "artefacts" / "ab").mkdir(parents=True)
    assert RUN.invoke(app, ["cache", "path"]).output.strip() == str(tmp_path / "artefacts")
    assert RUN.invoke(app, ["cache", "clear"]).output.strip() == f"removed {tmp_path / 'artefacts'}"
    assert not (tmp_path / "artefacts").exists()
    assert tmp_path.exists()
