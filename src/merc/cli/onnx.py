"""``merc export onnx``: a trained system or a shipped head as a folder that ``merc.runtime`` predicts with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def onnx(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Folder that 'merc train SYSTEM' wrote, or text-head, voice-head, face-head or late-fusion.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    fold: Annotated[str | None, typer.Option(help="Fold of the run (default: the only one).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
) -> None:
    """Write a trained system as an ONNX graph with a manifest: labels, inputs, normalisation, calibration, licence.

    merc.runtime.load(FOLDER).probabilities(features) predicts with it; torch is not needed there.
    """
    from merc.onnx import folder, heads, systems

    model = heads.exported(what) if what in heads.NAMES else systems.exported(Path(what), fold=fold, data=data)
    path = folder.write(model, out)
    size = sum(one.stat().st_size for one in out.iterdir()) / 1e6
    typer.echo(f"{path.parent}: {model.facts['name']}, {size:.1f} MB; probabilities as torch gives them")
    typer.echo(f"predict with merc.runtime.load({str(out)!r}).probabilities(...)")
