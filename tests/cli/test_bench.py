"""``merc bench`` prints its tables and writes a page only where it is told to."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.benchmarks import report, runner
from merc.benchmarks.runner import BenchOptions, Outcome
from merc.cli.app import app

RUN = CliRunner()


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder with docs/ as the working one, and a bench that trains nothing."""
    monkeypatch.chdir(tmp_path)
    for name in ("docs", "data/meld"):
        (tmp_path / name).mkdir(parents=True)
    monkeypatch.setenv("MERC_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(runner, "run", lambda *_, **__: [])
    monkeypatch.setattr(runner, "outcome", lambda *_, **__: Outcome((), {}, ("concat (text) under meld-7",)))
    monkeypatch.setitem(report.PLANS, "systems", lambda options: [])  # type: ignore[misc]
    return tmp_path


def test_no_page_is_written_unasked(quick: Path) -> None:
    shown = RUN.invoke(app, ["bench", "systems", "-q"])
    assert shown.exit_code == 0
    assert "Not finished: concat (text) under meld-7." in shown.output
    assert list((quick / "docs").iterdir()) == []


def test_pages_are_written_below_the_folder_named(quick: Path) -> None:
    shown = RUN.invoke(app, ["bench", "systems", "-q", "--results", "pages"])
    assert shown.exit_code == 0
    assert "Not finished: concat (text) under meld-7." in (quick / "pages" / "systems.md").read_text(encoding="utf-8")
    assert list((quick / "docs").iterdir()) == []


def test_a_bench_keeps_its_runs_in_the_cache_by_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    assert BenchOptions().runs == tmp_path / "bench"
    assert BenchOptions(folder=tmp_path / "x").runs == tmp_path / "x"


def test_tables_in_latex_and_figures_are_written_where_they_are_asked_for(quick: Path) -> None:
    shown = RUN.invoke(app, ["bench", "systems", "-q", "--latex", "--figures", "drawn"])
    assert shown.exit_code == 0, shown.exception
    assert shown.stdout.startswith("% \\usepackage{booktabs}; made by: merc bench systems")
    both = RUN.invoke(app, ["bench", "systems", "-q", "--latex", "--json"])
    assert "--json and --latex are two forms of the same rows" in str(both.exception)
