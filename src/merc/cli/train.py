"""``merc train``: a system learns a corpus under a protocol; weights, history and their origin go into a folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def train(
    system: Annotated[str, typer.Argument(help="A name from 'merc systems'.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the run; a killed run goes on there.")],
    corpus: Annotated[str, typer.Option(help="meld, iemocap or cmu-mosi.")] = "meld",
    protocol: Annotated[str | None, typer.Option(help="How the corpus is divided; default: its usual one.")] = None,
    features: Annotated[
        str | None,
        typer.Option(help="'prepared', or MODALITY=SOURCE,…: a name or FOLDER:ENCODER; default: those of the tables."),
    ] = None,
    modalities: Annotated[str | None, typer.Option(help="A choice among them, such as text,voice.")] = None,
    seed: Annotated[int, typer.Option(help="Reaches everything that is random.")] = 0,
    fold: Annotated[list[str] | None, typer.Option(help="Only this fold; may be given again.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="NAME=VALUE: a training option, or system.NAME=VALUE.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="Table of utterance and weight: quality weights.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora; default $MERC_DATA.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Train every fold of the protocol and print what validation says; 'merc evaluate' opens the test part."""
    from merc.benchmarks.report import sentence
    from merc.benchmarks.settings import listed, protocol_of, settings
    from merc.recipes.request import Request
    from merc.recipes.systems import train as run

    training, options = settings(set_ or ())
    asked = Request(
        system,
        protocol_of(corpus, protocol),
        features=features,
        modalities=listed(modalities),
        seed=seed,
        options=options,
        training=training,
        weights=weights,
        data=data,
    )
    with terminal.progress(quiet=quiet) as progress:
        for trained in run(asked, out, only=fold or (), progress=progress):
            figures = trained.fitted.figures()
            typer.echo(f"{trained.fold.name}: epoch {trained.fitted.best}, validation {sentence(figures)}")
    if not quiet:
        typer.echo(f"weights in {out}; next: merc evaluate {out} --split test")
