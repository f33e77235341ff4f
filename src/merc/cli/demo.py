"""``merc demo``: analyse the bundled sample conversation."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from merc.cli import terminal


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output folder for the sample and its results.")] = Path(
        "merc-demo"
    ),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no table.")] = False,
) -> None:
    """Analyse the bundled sample and print the path of the report; needs the weights ('merc weights get')."""
    from merc import sample
    from merc.cli.results import show
    from merc.pipeline.batch import BatchOptions, run

    out.mkdir(parents=True, exist_ok=True)
    recording = out / sample.path().name
    shutil.copyfile(sample.path(), recording)
    with terminal.progress(quiet=quiet) as progress:
        rows = list(run([recording], batch=BatchOptions(out=out / f"{recording.stem}.merc"), progress=progress))
    if rows[0].reason:
        sys.stderr.write(f"merc: {rows[0].reason}\n")
        sys.exit(2)
    if not quiet:
        show(rows[0])
