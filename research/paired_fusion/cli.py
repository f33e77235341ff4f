"""``merc adapt mamba``: the Mamba fusion is trained on words beside other people and compared with the late fusion."""

from __future__ import annotations

from pathlib import Path

import typer

from merc.cli import terminal


def mamba(data: Path, out: Path | None, *, quiet: bool) -> None:
    """Train, compare, judge the real clips where they are there, decide by the rule, and print the card.

    Files go to ``out``, by default beside the cached results: the package holds only what is shipped.
    """
    from merc.paths import SHIPPED, cache_root
    from research.paired_fusion.on_recordings import judge

    folder = out or cache_root() / "paired"
    with terminal.progress(quiet=quiet) as progress:
        card = judge(data, SHIPPED, folder, progress=progress)
    if not quiet:
        typer.echo(card.markdown())
        typer.echo(f"written to {folder}")
