"""Progress on the terminal: a bar a stage on stderr, so that stdout stays clean for results."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Report = Callable[[str, float, float], None]


def console(*, stderr: bool = True) -> Console:
    """A rich console that prints plain text where there is no terminal."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


@contextmanager
def bars(*, quiet: bool, unit: str = "seconds") -> Iterator[Report | None]:
    """A callable ``(stage, done, total)`` that draws one bar a stage; None when quiet.

    ``unit`` is ``"bytes"`` for downloads, else what the stages count is shown as a share.
    """
    if quiet:
        yield None
        return
    from rich import progress as rich

    columns: list[rich.ProgressColumn] = [rich.TextColumn("{task.description:<24}"), rich.BarColumn()]
    columns += [rich.DownloadColumn(), rich.TransferSpeedColumn()] if unit == "bytes" else [rich.TaskProgressColumn()]
    columns += [rich.TimeElapsedColumn()]
    with rich.Progress(*columns, console=console()) as display:
        tasks: dict[str, rich.TaskID] = {}

        def tell(stage: str, done: float, total: float) -> None:
            if stage not in tasks:
                tasks[stage] = display.add_task(stage, total=total)
            display.update(tasks[stage], completed=done, total=total)

        yield tell
