"""``merc bench heads`` and ``texts``: voice and face heads and text encoders, at random and speaker-disjoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal
from merc.paths import data_root


def heads(
    modality: Annotated[list[str] | None, typer.Option(help="voice or face; default both.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this division; may be repeated.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each head.")] = 3,
    threads: Annotated[int, typer.Option(help="CPU threads for torch.")] = 1,
    results: Annotated[Path | None, typer.Option(help="Page whose section is written; default: none.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the corpora; default $MERC_DATA.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, one JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Voice and face heads: splits at random and by person, corpora left out, and what each step adds."""
    from merc.benchmarks.heads.suite import MODALITIES, HeadsOptions, run_bench

    root = data_root(data)
    options = HeadsOptions(root, tuple(modality or MODALITIES), tuple(only or ()), seeds, threads)
    with terminal.progress(quiet=quiet) as progress:
        report = run_bench(options, progress=progress)
    typer.echo(report.json() if as_json else report.tables())
    if results is not None:
        report.publish(results)


def texts(
    folders: Annotated[list[Path], typer.Argument(help="Folders that 'merc train text-encoder' wrote.")],
    results: Annotated[Path | None, typer.Option(help="Page whose section is written; default: none.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, one JSON object a line.")] = False,
) -> None:
    """Fine-tuned text encoders compared: test texts that training has too, and those that it has not."""
    from merc.benchmarks.texts import gathered

    report = gathered(folders)
    typer.echo(report.json() if as_json else report.tables())
    if results is not None:
        report.publish(results)
