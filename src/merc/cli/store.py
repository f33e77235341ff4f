"""``merc store``: what a feature store holds, and whether it is intact."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli import terminal

if TYPE_CHECKING:
    from merc.features.store import Store, Summary

app = typer.Typer(help="Feature stores: info, verify, import.", no_args_is_help=True)

_SHOWN = 3  # reasons a feature that are printed; all of them with --json


@app.command(short_help="Show the features of a store.")
def info(
    folder: Annotated[Path, typer.Argument(help="Folder of a store.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the features of a store: encoder, weights, shape, counts, size, and why vectors are missing."""
    from merc.features.store import Store

    opened = Store.open(folder)
    if as_json:
        typer.echo(json.dumps([asdict(row) for row in opened.info()], indent=1, ensure_ascii=False))
    else:
        show(opened)


@app.command(short_help="Check the integrity of a store.")
def verify(folder: Annotated[Path, typer.Argument(help="Folder of a store.")]) -> None:
    """Check a store: hashes, counts, duplicates, encoder weights, gaps. Exit code 1 if a problem is found."""
    from merc.features.store import Store

    opened = Store.open(folder)
    problems = opened.verify()
    for problem in problems:
        typer.echo(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{folder}: {len(opened.encoders)} features, intact")


@app.command("import", short_help="Write a file of features as a store.")
def import_(
    file: Annotated[Path, typer.Argument(help="npz, npy, parquet, csv or h5 with one array per utterance.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the store.")],
    name: Annotated[str | None, typer.Option(help="Name of the feature (default: that of the file).")] = None,
    ids: Annotated[
        Path | None, typer.Option(help="Text file with the id of each row, where the file has none.")
    ] = None,
    array: Annotated[str | None, typer.Option(help="Which array, data set or column, where there are several.")] = None,
    corpus: Annotated[
        str | None, typer.Option(help="Corpus or manifest:FILE: utterances without a row are marked as missing.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
) -> None:
    """Write features of your own as a store, for --features MODALITY=STORE:NAME, and say what has no row."""
    from merc.corpora import conversations_of
    from merc.features import own

    said = [turn.id for one in conversations_of([corpus], data) for turn in one] if corpus else []
    rows = own.read(file, array, ids=_lines(ids) if ids else None)
    feature = name or file.stem
    made = own.to_store(rows, file, out, name=feature, utterances=said, corpus=corpus or "")
    show(made)
    typer.echo(f"use it as --features MODALITY={out}:{feature}")


def _lines(path: Path) -> list[str]:
    from merc.corpora.rows import text_of

    return text_of(path).split()


def show(store: Store) -> None:
    """Print a table of a store, one row per feature, and the most frequent reasons below it."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("feature", "weight", "each row"):
        table.add_column(name, no_wrap=True)
    for name in ("utterances", "missing", "rows", "MB"):
        table.add_column(name, justify="right", no_wrap=True)
    rows = store.info()
    for row in rows:
        table.add_row(*_cells(row))
    console = terminal.console(stderr=False)
    console.print(table)
    for row in rows:
        for reason, count in list(row.reasons.items())[:_SHOWN]:
            console.print(f"{row.feature.name}: {count:,} missing: {reason}", markup=False)
        if len(row.reasons) > _SHOWN:
            console.print(f"{row.feature.name}: and {len(row.reasons) - _SHOWN} other reasons")


def _cells(row: Summary) -> tuple[str, ...]:
    feature, counts = row.feature, (row.utterances, row.utterances - row.present, row.rows)
    weight = str(feature.description.get("sha256") or feature.description.get("opensmile") or "")[:8]
    shape = f"{' x '.join(map(str, feature.shape))} {feature.dtype}"
    return (feature.name, weight, shape, *(f"{count:,}" for count in counts), f"{row.bytes / 1e6:.1f}")
