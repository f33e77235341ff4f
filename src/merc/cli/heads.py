"""``merc bench heads`` and ``texts``: voice and face heads and text encoders, at random and speaker-disjoint."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from merc.cli import terminal
from merc.errors import InputError
from merc.paths import data_root

if TYPE_CHECKING:
    from merc.benchmarks.pages import Output


def heads(
    modality: Annotated[list[str] | None, typer.Option(help="voice or face (default: both).")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this split; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(help="Number of seeds per head.")] = 3,
    threads: Annotated[int, typer.Option(help="Number of PyTorch threads.")] = 1,
    results: Annotated[
        Path | None, typer.Option(help="Folder of pages where the output is saved (default: none).")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, one JSON object per line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Compare voice and face heads: random and speaker-disjoint splits, corpora left out, features step by step."""
    from merc.benchmarks.heads.suite import MODALITIES, HeadsOptions, run_bench

    root = data_root(data)
    options = HeadsOptions(root, tuple(modality or MODALITIES), tuple(only or ()), seeds, threads)
    with terminal.progress(quiet=quiet) as progress:
        report = run_bench(options, progress=progress)
    typer.echo(report.json() if as_json else report.tables())
    if results is not None:
        publish(report, results)


def texts(
    folders: Annotated[list[Path], typer.Argument(help="Folders that 'merc train text-encoder' wrote.")],
    results: Annotated[
        Path | None, typer.Option(help="Folder of pages where the output is saved (default: none).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, one JSON object per line.")] = False,
) -> None:
    """Compare fine-tuned text encoders on test texts seen in training and on unseen ones."""
    from merc.benchmarks.texts import gathered

    report = gathered(folders)
    typer.echo(report.json() if as_json else report.tables())
    if results is not None:
        publish(report, results)


def pages(folder: Annotated[Path, typer.Argument(help="Folder of pages, such as docs/results.")]) -> None:
    """Print the pages of results again from the saved outputs in FOLDER/saved."""
    from merc.benchmarks.pages import write

    if not folder.is_dir():
        raise InputError(f"{folder}: expected a folder; 'merc bench KIND --results {folder}' makes it")
    typer.echo("\n".join(str(folder / name) for name in write(folder)))


def publish(report: Output, folder: Path, *, quiet: bool = False) -> None:
    """Save the output of a bench in a folder, print the pages there, and say so."""
    from merc.benchmarks.pages import publish

    section = publish(report, folder)
    if not quiet:
        sys.stderr.write(f"merc: section {section.name} of {folder / section.page}.md is written\n")
