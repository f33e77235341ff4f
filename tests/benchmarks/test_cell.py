"""A cell is run once, repeats its bytes, and refuses the file of another request or of other code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from merc.benchmarks import cell, runner
from merc.benchmarks.cell import Cell
from merc.benchmarks.runner import BenchOptions
from merc.errors import FormatError, InputError
from tests.benchmarks.made_bench import finished


def test_a_finished_cell_is_not_run_again_and_its_bytes_repeat(made: BenchOptions, tmp_path: Path) -> None:
    (first, *_) = finished(made)
    path = first.path(made.runs)
    before = path.stat().st_mtime_ns
    cell.run(first, made.runs)
    assert path.stat().st_mtime_ns == before
    cell.run(first, tmp_path)
    one, other = (json.loads(where.read_text(encoding="utf-8")) for where in (path, first.path(tmp_path)))
    assert {**one, "seconds": 0} == {**other, "seconds": 0}


def test_other_features_and_damaged_files_are_refused_and_other_options_are_other_cells(
    made: BenchOptions,
) -> None:
    cells = finished(made)
    other = Cell(replace(cells[0].request, training={"epochs": 4}), cells[0].fold)
    with pytest.raises(InputError, match="not there yet; run the bench to its end"):
        cell.read(other, made.runs)
    path = cells[0].path(made.runs)
    kept = path.read_text(encoding="utf-8")
    facts = json.loads(kept)
    try:
        path.write_text(json.dumps({**facts, "features": {"text": "f" * 64}}), encoding="utf-8")
        with pytest.raises(InputError, match="its text features have hash .*compare systems on the same features"):
            runner.outcome(cells, made)
        path.write_text(json.dumps({**facts, "request": {}}), encoding="utf-8")
        with pytest.raises(FormatError, match="holds another request than its name says"):
            cell.read(cells[0], made.runs)
        path.write_text(kept[:100], encoding="utf-8")
        with pytest.raises(FormatError, match="cannot be read .*remove it and run the bench again"):
            runner.outcome(cells, made)
        path.unlink()
        assert runner.outcome(cells, made).unfinished == ("concat (text) under meld-7",)
    finally:
        path.write_text(kept, encoding="utf-8")


def test_other_code_is_another_cell_and_changed_code_is_refused(
    made: BenchOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = runner.plan(made)[0]
    before = first.path(made.runs)
    monkeypatch.setattr(cell, "code_version", lambda: "another")
    assert first.path(made.runs) != before
    with pytest.raises(InputError, match="merc's modules were changed while the bench ran"):
        cell.run(first, made.runs, code="planned with this")
