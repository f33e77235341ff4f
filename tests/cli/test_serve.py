from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.cli.app import app
from merc.errors import InputError


def test_a_network_needs_a_token(tmp_path: Path) -> None:
    asked = ["serve", "--purpose", "a study", "--data", str(tmp_path / "data"), "--host", "0.0.0.0"]
    result = CliRunner().invoke(app, asked)
    assert isinstance(result.exception, InputError)
    assert "give --token-file, or --no-token" in str(result.exception)


def test_a_purpose_is_required() -> None:
    result = CliRunner().invoke(app, ["serve"])
    assert result.exit_code == 2
    assert "--purpose" in result.output


@pytest.mark.parametrize("option", ["--port", "--root", "--token-file", "--system"])
def test_the_options_are_listed(option: str) -> None:
    assert option in CliRunner().invoke(app, ["serve", "--help"]).output


def test_systems_are_opened_before_the_server_starts(tmp_path: Path) -> None:
    asked = ["serve", "--purpose", "a study", "--data", str(tmp_path / "data"), "--system", str(tmp_path / "none")]
    error = CliRunner().invoke(app, asked).exception
    assert isinstance(error, InputError) and "no trained run; expected the folder that 'merc train" in str(error)
