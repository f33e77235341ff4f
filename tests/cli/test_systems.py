"""``merc systems`` fits 80 columns and names every system and recipe."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from merc.cli.app import app
from merc.systems import SYSTEMS

RUN = CliRunner()


def test_the_list_fits_80_columns() -> None:
    shown = RUN.invoke(app, ["systems"])
    assert shown.exit_code == 0
    lines = shown.output.splitlines()
    assert max(map(len, lines)) <= 80
    for name in SYSTEMS:
        assert any(line.startswith(f"{name} ") for line in lines), name
    assert any(line.startswith("  voice-head ") for line in lines)


def test_one_system_as_text_and_json() -> None:
    assert "reads: text, voice, face" in RUN.invoke(app, ["systems", "mamba"]).output
    found = json.loads(RUN.invoke(app, ["systems", "mamba", "--json"]).output)
    assert found["name"] == "mamba" and found["published"][0]["metric"] == "weighted_f1"
