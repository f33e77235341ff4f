"""Train the Mamba fusion on words paired with voices and faces of other people, and compare it with the late fusion.

python -m research.paired_fusion --data CORPORA --out DIR
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal
from merc.paths import SHIPPED, cache_root, data_root
from research.paired_fusion.on_recordings import judge


def main(
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora; default $MERC_DATA.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder of the results; default in the cache.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no card.")] = False,
) -> None:
    """Train, compare, evaluate on the real clips if available, decide by the rule, and print the card."""
    folder = out or cache_root() / "paired"
    with terminal.progress(quiet=quiet) as progress:
        card = judge(data_root(data), SHIPPED, folder, progress=progress)
    if not quiet:
        typer.echo(card.markdown())
    typer.echo(f"written to {folder}")


if __name__ == "__main__":
    typer.run(main)
