"""``merc cache``: the folder of intermediate results, what takes space in it, and its removal."""

from __future__ import annotations

import json
import re
from typing import Annotated

import typer

from merc.cache import Cache
from merc.errors import InputError

app = typer.Typer(help="Intermediate results of analyses: path, size, prune, clear.", no_args_is_help=True)

_SHOWN = 10  # recordings that are printed; all of them with --json


@app.command()
def path() -> None:
    """Print the folder of intermediate results (transcripts and embeddings; weights are elsewhere)."""
    typer.echo(Cache().root)


@app.command(short_help="Show what takes space.")
def size(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show how many bytes the entries of each kind and of each recording take, the largest first."""
    from merc.pruning import entries, shares

    root = Cache().root
    found = entries(root)
    by_kind, by_recording = shares(found, "kind"), shares(found, "recording")
    total = sum(one.bytes for one in found)
    if as_json:
        rows = {name: _rows(of) for name, of in (("kinds", by_kind), ("recordings", by_recording))}
        typer.echo(json.dumps({"folder": str(root), "entries": len(found), "bytes": total, **rows}, indent=1))
        return
    for title, rows_of in (("by kind", by_kind), ("by recording", by_recording[:_SHOWN])):
        typer.echo(f"{title}:")
        for name, count, taken in rows_of:
            typer.echo(f"  {taken / 1e6:>9.1f} MB {count:>7,} entries  {name}")
    if len(by_recording) > _SHOWN:
        typer.echo(f"  and {len(by_recording) - _SHOWN} more recordings, with --json")
    typer.echo(f"{root}: {len(found):,} entries, {total / 1e6:.1f} MB")


def _rows(of: list[tuple[str, int, int]]) -> list[dict[str, object]]:
    return [{"name": name, "entries": count, "bytes": taken} for name, count, taken in of]


@app.command(short_help="Remove what has not been used for long.")
def prune(
    older_than: Annotated[
        str | None, typer.Option(help="Remove entries not used for this time, such as 30d or 12h.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option(help="Remove the least recently used entries until the rest has this size, such as 5GB."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Remove nothing, say what would be removed.")] = False,
) -> None:
    """Remove intermediate results by time of last use and by size; what a running analysis uses is kept."""
    from merc import pruning
    from merc.server.settings import period

    if older_than is None and max_size is None:
        raise InputError("nothing to prune by: give --older-than, such as 30d, or --max-size, such as 5GB")
    age = None if older_than is None else period(older_than)
    most = None if max_size is None else _bytes(max_size)
    root = Cache().root
    done = pruning.prune(root, age=age, size=most, dry_run=dry_run)
    for name, count, taken in pruning.shares(done.removed, "kind"):
        typer.echo(f"  {taken / 1e6:>9.1f} MB {count:>7,} entries  {name}")
    taken = sum(one.bytes for one in done.removed)
    verb = "would remove" if dry_run else "removed"
    typer.echo(f"{verb} {len(done.removed):,} entries, {taken / 1e6:.1f} MB; {done.left / 1e6:.1f} MB left in {root}")
    if done.in_use:
        typer.echo(f"kept {len(done.in_use):,} entries that a running analysis uses")


_UNITS = {"B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


def _bytes(text: str) -> int:
    """Bytes of a size such as ``5GB``; raises InputError for other text."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?B)", text.strip(), re.IGNORECASE)
    if not found:
        raise InputError(f"'{text}' is not a size: expected a number with B, KB, MB, GB or TB, such as 5GB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


@app.command()
def clear() -> None:
    """Remove all intermediate results; weights are kept."""
    Cache().clear()
    typer.echo(f"removed {Cache().root}")
