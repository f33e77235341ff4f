"""``merc adapt``: train an emotion head on one-modality corpora and write its weights and model card."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def adapt(
    modality: Annotated[str, typer.Argument(help="text, voice, face, or fusion (after the three).")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of the corpora; default $MERC_DATA, else ../shared/data.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the card; default: into the package.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a head from frozen embeddings, reproducibly, and print its model card."""
    from merc.adapt import adapt as train
    from merc.adapt.heads import CARDS

    root = data or Path(os.environ.get("MERC_DATA", Path("..") / "shared" / "data"))
    with terminal.bars(quiet=quiet) as progress:
        card = train(modality, data=root, out=out or CARDS, progress=progress)
    if not quiet:
        typer.echo(card.markdown())
