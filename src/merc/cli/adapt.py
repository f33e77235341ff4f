"""``merc adapt``: train an emotion head, or the text encoder itself, on one-modality corpora, and write its card."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli import terminal
from merc.paths import data_root

if TYPE_CHECKING:
    from merc.recipes.text_encoder import TuneOptions


def adapt(
    modality: Annotated[str, typer.Argument(help="text, voice, face, or fusion (after the three).")],
    data: Annotated[Path | None, typer.Option(help="Folder of the corpora; default $MERC_DATA.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Folder for the card; default: into the package.")
    ] = None,
    tune: Annotated[str | None, typer.Option(help="Tune the text encoder itself: lora or full. Needs --out.")] = None,
    sample: Annotated[
        str, typer.Option(help="With --tune: distinct texts, or paper, paper-replaced, -pooled, -sources, -each.")
    ] = "distinct",
    start: Annotated[Path | None, typer.Option(help="With --tune: what another tuning left, to go on from.")] = None,
    epochs: Annotated[int, typer.Option(help="With --tune: passes over the training texts.")] = 3,
    each_epoch: Annotated[int, typer.Option(help="With --tune: texts of a class an epoch; 0: all.")] = 0,
    seed: Annotated[int, typer.Option(help="With --tune: reaches everything that is random.")] = 0,
    threads: Annotated[int, typer.Option(help="With --tune: of torch.")] = 2,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train a head from frozen embeddings, or with --tune the text encoder itself, and print the card."""
    root = data_root(data)
    if tune is not None:
        from merc.recipes.text_encoder import TuneOptions

        options = TuneOptions(
            method=tune, sample=sample, epochs=epochs, each_epoch=each_epoch, seed=seed, threads=threads
        )
        _tune(modality, (root, out), start, options=options, quiet=quiet)
        return
    from merc.paths import SHIPPED
    from merc.recipes import adapt as train

    with terminal.progress(quiet=quiet) as progress:
        card = train(modality, data=root, out=out or SHIPPED, progress=progress)
    if not quiet:
        typer.echo(card.markdown())


def _tune(
    modality: str, places: tuple[Path, Path | None], start: Path | None, *, options: TuneOptions, quiet: bool
) -> None:
    from merc.errors import InputError
    from merc.recipes.text_encoder_card import adapt_encoder

    data, out = places
    if modality != "text":
        raise InputError(f"--tune {options.method}: only the text encoder is tuned, not '{modality}'")
    if out is None:
        raise InputError(f"--tune {options.method} leaves the files of its epochs: name a folder with --out")
    with terminal.progress(quiet=quiet) as progress:
        card = adapt_encoder(data, out, options, start=start, progress=progress)
    if not quiet:
        typer.echo(card.markdown())
