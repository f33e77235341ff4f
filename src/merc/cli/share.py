"""``merc push`` and ``merc pull``: trained systems, heads and descriptions of stores on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    folder: Annotated[Path, typer.Argument(help="Run, folder of weights with cards, or feature store.")],
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the hub; made if it is not there.")],
    public: Annotated[bool, typer.Option("--public", help="Make a new repository public (default: private).")] = False,
    licence: Annotated[str | None, typer.Option(help="Terms, where neither a card nor the corpus states them.")] = None,
) -> None:
    """Upload a run, weights with their cards, or the descriptions of a store; the token is that of HF_TOKEN.

    Only safetensors, JSON and pages of cards are uploaded. What has no licence is refused; values of a store stay.
    """
    from merc import hub

    done = hub.push(folder, repository, public=public, licence=licence)
    for name, reason in done.left_out.items():
        typer.echo(f"left out: {name} ({reason})")
    typer.echo(f"{done.repository}: a {done.kind}, {len(done.files)} files, commit {done.commit}")
    typer.echo(f"licence: {done.licence}")


def pull(
    repository: Annotated[str, typer.Argument(help="OWNER/NAME on the hub.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="New folder (default: the name).")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit (default: main).")] = None,
) -> None:
    """Download what 'merc push' has uploaded; every hash is checked, and the commit is recorded in pulled.json."""
    from merc import hub

    done = hub.pull(repository, out or Path(repository.rpartition("/")[2]), revision=revision)
    typer.echo(f"{done.folder}: a {done.kind}, commit {done.commit}, hashes checked")
    typer.echo(f"licence: {done.licence}")
