"""``merc bench heads`` and ``texts``: voice and face heads and text encoders, on random splits and on honest ones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal
from merc.paths import data_root


def heads(
    modality: Annotated[list[str] | None, typer.Option(help="voice or face; default both.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="Only this division; may be given again.")] = None,
    seeds: Annotated[int, typer.Option(help="Runs of each head.")] = 3,
    threads: Annotated[int, typer.Option(help="Threads of encoders and training.")] = 1,
    results: Annotated[
        Path | None, typer.Option(help="Document whose section is written; default for a whole bench docs/results.md.")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of the corpora; default $MERC_DATA.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, one JSON object a line.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress.")] = False,
) -> None:
    """Voice and face heads: splits at random and by person, corpora left out, and what each step adds."""
    from merc.benchmarks.heads.suite import MODALITIES, HeadsOptions, carry_out

    root = data_root(data)
    options = HeadsOptions(root, tuple(modality or MODALITIES), tuple(only or ()), seeds, threads)
    with terminal.progress(quiet=quiet) as progress:
        report = carry_out(options, progress=progress)
    typer.echo(report.json() if as_json else report.tables())
    if results is not None or (options.whole and Path("docs").is_dir()):
        report.publish(results or Path("docs/results.md"))


def texts(
    folders: Annotated[list[Path], typer.Argument(help="What 'merc adapt text --tune' left; --out of each.")],
    results: Annotated[Path | None, typer.Option(help="Document whose section is written, docs/results.md.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the records, one JSON object a line.")] = False,
) -> None:
    """Tuned text encoders side by side: texts that training has read too, and texts that it has not."""
    from merc.benchmarks.texts import gathered

    report = gathered(folders)
    typer.echo(report.json() if as_json else report.tables())
    if results is not None:
        report.publish(results)
