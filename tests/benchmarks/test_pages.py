"""Outputs of benches are saved, and the pages of results are what is printed from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from merc.benchmarks.pages import EarlierOutput, TableOutput, edited, printed, publish, read, write
from merc.cli.app import app
from merc.errors import FormatError, InputError

RESULTS = Path(__file__).parents[2] / "docs" / "results"
TABLE = TableOutput("probes", "probe-a", "A probe", "python bench/a.py", "What it is.", (("a", "b"), ("1", "2")))


def test_the_published_pages_are_what_their_saved_outputs_print() -> None:
    assert edited(RESULTS) == []
    assert "index.md" in printed(RESULTS)


def test_an_output_is_saved_printed_and_read_back(tmp_path: Path) -> None:
    section = publish(TABLE, tmp_path)
    assert (
        section.body
        == "## A probe\n\nMade by `python bench/a.py`.\n\nWhat it is.\n\n| a | b |\n| --- | --- |\n| 1 | 2 |"
    )
    assert read(tmp_path / "saved" / "probe-a.json") == TABLE
    assert section.body in (tmp_path / "probes.md").read_text(encoding="utf-8")
    assert edited(tmp_path) == []


def test_an_earlier_section_leaves_when_its_bench_is_run_again(tmp_path: Path) -> None:
    publish(EarlierOutput("probe-a", "## A probe\n\nas it was"), tmp_path)
    assert "as it was" in (tmp_path / "earlier.md").read_text(encoding="utf-8")
    publish(TABLE, tmp_path)
    assert not (tmp_path / "earlier.md").exists() and edited(tmp_path) == []


def test_edits_by_hand_are_found_and_printed_over(tmp_path: Path) -> None:
    publish(TABLE, tmp_path)
    page = tmp_path / "probes.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(text.replace("| 2 |", "| 3 |"), encoding="utf-8")
    (tmp_path / "mine.md").write_text("# Mine\n", encoding="utf-8")
    assert edited(tmp_path) == [
        f"probes.md is not what 'merc bench pages {tmp_path}' prints",
        "mine.md belongs to no saved output",
    ]
    found = CliRunner().invoke(app, ["bench", "pages", str(tmp_path)])
    assert found.stdout.split() == [str(tmp_path / "index.md"), str(page)]
    assert page.read_text(encoding="utf-8") == text
    publish(EarlierOutput("old", "## Old\n\n![confusion](pictures/a.svg)"), tmp_path)
    assert "no picture pictures/a.svg" in edited(tmp_path)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no saved output at .*a.json; run its bench with --results"):
        read(tmp_path / "saved" / "a.json")
    publish(TABLE, tmp_path)
    path = tmp_path / "saved" / "probe-a.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    for broken, reason in (
        ({"format": 9}, "has format 9"),
        ({"kind": "news"}, "'news'"),
        ({"output": {}}, "cannot be"),
    ):
        path.write_text(json.dumps({**facts, **broken}), encoding="utf-8")
        with pytest.raises(FormatError, match=reason):
            write(tmp_path)
