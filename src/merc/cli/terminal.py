"""The terminal: a console for tables, and progress on stderr, so that stdout stays clean for results."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from merc.progress import LogLines, Progress

if TYPE_CHECKING:
    from rich.console import Console


def console(*, stderr: bool = True) -> Console:
    """A rich console that prints plain text where there is no terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


WIDTH = 80
"""Columns that lists keep to."""


def wrapped(line: str, *, indent: int = 4) -> str:
    """A line broken at spaces to ``WIDTH`` columns, its further lines indented.

    Example:
        >>> print(wrapped("name  " + "word " * 16, indent=6))
        name  word word word word word word word word word word word word word word word
              word
    """
    return textwrap.fill(
        line, WIDTH, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
    ).rstrip()


@contextmanager
def progress(*, quiet: bool, unit: str = "share") -> Iterator[Progress | None]:
    """Report progress on stderr: one bar a stage on a terminal, a line now and then in a log.

    Args:
        quiet: Report nothing.
        unit: "bytes" shows sizes and the speed of a download, "share" the percentage done.

    Yields:
        The callable to pass to the work, or None when quiet.
    """
    if quiet:
        yield None
    elif sys.stderr.isatty():
        with _bars(unit) as report:
            yield report
    else:
        yield LogLines(lambda line: sys.stderr.write(f"{line}\n"))


@contextmanager
def _bars(unit: str) -> Iterator[Progress]:
    from rich import progress as rich

    columns: list[rich.ProgressColumn] = [rich.TextColumn("{task.description:<24}"), rich.BarColumn()]
    columns += [rich.DownloadColumn(), rich.TransferSpeedColumn()] if unit == "bytes" else [rich.TaskProgressColumn()]
    columns += [rich.TimeElapsedColumn(), rich.TextColumn("left"), rich.TimeRemainingColumn()]
    own = sys.stdout.isatty()  # what goes to a file or a pipe must not be drawn above the bars
    with rich.Progress(*columns, console=console(), redirect_stdout=own) as display:
        tasks: dict[str, rich.TaskID] = {}

        def report(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                tasks[stage] = display.add_task(stage, total=total)
            display.update(tasks[stage], completed=done, total=total)

        yield report
