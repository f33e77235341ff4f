"""``merc evaluate``: the figures of a trained run on validation or test; each look at test is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    run: Annotated[Path, typer.Argument(help="Folder that 'merc train --out' wrote.")],
    split: Annotated[
        str, typer.Option(help="valid or test; each use of test is recorded in RUN/ledger.jsonl.")
    ] = "valid",
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or mps (default: that of training).")] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Folder for figures: confusion matrix, risk-coverage curve.")
    ] = None,
    subset: Annotated[
        Path | None, typer.Option(help="verified.parquet of 'merc check': also report what it keeps and removes.")
    ] = None,
    predictions: Annotated[
        Path | None, typer.Option(help="CSV file for the answers, one row per utterance (default: none).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the record as JSON.")] = False,
) -> None:
    """Print accuracy, F1 and recall, pooled over folds and by class, or CCC, r and MAE by dimension, with intervals."""
    from merc.benchmarks.run_report import report_run
    from merc.reporting.predictions import write

    report = report_run(run, split=split, data=data, device=device, subset=subset)
    if figures is not None:
        report.draw(figures)
    if predictions is not None:
        write(report.rows(), predictions)
    typer.echo(json.dumps(report.as_json(), indent=1) if as_json else report.text())
