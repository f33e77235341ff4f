"""``merc cache``: where intermediate results lie, and how to be rid of them."""

from __future__ import annotations

import typer

from merc.cache import Cache

app = typer.Typer(help="Intermediate results of analyses: path, clear.", no_args_is_help=True)


@app.command()
def path() -> None:
    """Print the folder of intermediate results (transcripts and embeddings; weights lie elsewhere)."""
    typer.echo(Cache().root)


@app.command()
def clear() -> None:
    """Remove every intermediate result; weights stay."""
    Cache().clear()
    typer.echo(f"removed {Cache().root}")
