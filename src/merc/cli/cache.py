"""``merc cache``: the folder of intermediate results, and its removal."""

from __future__ import annotations

import typer

from merc.cache import Cache

app = typer.Typer(help="Intermediate results of analyses: path, clear.", no_args_is_help=True)


@app.command()
def path() -> None:
    """Print the folder of intermediate results (transcripts and embeddings; weights are elsewhere)."""
    typer.echo(Cache().root)


@app.command()
def clear() -> None:
    """Remove all intermediate results; weights are kept."""
    Cache().clear()
    typer.echo(f"removed {Cache().root}")
