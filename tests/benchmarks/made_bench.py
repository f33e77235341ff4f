"""Runs the cells of a bench in this process."""

from __future__ import annotations

from merc.benchmarks import cell, runner
from merc.benchmarks.cell import Cell
from merc.benchmarks.runner import BenchOptions


def finished(options: BenchOptions) -> list[Cell]:
    """Every cell done in this process: processes of their own take seconds to start."""
    cells = runner.plan(options)
    for one in cells:
        cell.run(one, options.runs)
    return cells
