"""``merc systems`` fits 80 columns and names every system and recipe."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_the_systems_are_listed_with_inputs_parameters_licence_and_published_figures() -> None:
    done = RUN.invoke(app, ["systems", "concat"])
    assert done.exit_code == 0
    for word in ("concat: Simplified", "face, motion as vectors", "parameters:", "licence:", "published: 92.0"):
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
