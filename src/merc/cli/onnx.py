"""``merc export onnx``: a trained system, heads and encoders as folders that ``merc.runtime`` predicts with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ANALYSIS = "analysis"


def onnx(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN",
            help="Folder that 'merc train SYSTEM' wrote; or analysis: encoders and heads of words, voice and face with "
            "late fusion; or a head (text-head, conversation-head, voice-head, face-head, late-fusion); or an encoder "
            "(conversation-encoder, mpnet, whisper-base-middle, facenet-cells, campplus, or a tuned text encoder).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder to write.")],
    parts: Annotated[
        str | None,
        typer.Option(
            help="Parts of an analysis, separated by commas: text, voice, face, fusion, speaker, written (default: the "
            "first four)."
        ),
    ] = None,
    weights: Annotated[
        str, typer.Option(help="What weights are stored in: float32, or float16 for half the size.")
    ] = "float32",
    fold: Annotated[str | None, typer.Option(help="Fold of the run (default: the only one).")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of all corpora (default: $MERC_DATA).")] = None,
) -> None:
    """Write graphs with a manifest: labels, inputs, normalisation, calibration, sizes, hashes, licence.

    merc.runtime predicts with them; torch is not needed there.
    """
    from merc.errors import InputError
    from merc.onnx import encoder, encoders, folder, heads, systems
    from merc.onnx.graph import NUMBERS
    from merc.options import one_of

    one_of(NUMBERS, weights=weights)
    if parts is not None and what != ANALYSIS:
        raise InputError(f"--parts {parts}: only an analysis has parts: 'merc export onnx {ANALYSIS} --parts {parts}'")
    if what == ANALYSIS:
        _analysis(out, parts, weights)
    elif what in encoders.names():
        encoder.write(encoders.exported(what), out, numbers=weights)
        _told(out, what, "vectors", f"merc.runtime.load_encoder({str(out)!r}).encode(...)", weights)
    else:
        model = heads.exported(what) if what in heads.NAMES else systems.exported(Path(what), fold=fold, data=data)
        folder.write(model, out, numbers=weights)
        call = f"merc.runtime.load({str(out)!r}).probabilities(...)"
        _told(out, str(model.facts["name"]), "probabilities", call, weights)


def _analysis(out: Path, parts: str | None, weights: str) -> None:
    from merc.onnx import analysis

    chosen = analysis.DEFAULT if parts is None else tuple(parts.split(","))
    analysis.write(chosen, out, numbers=weights, told=typer.echo)
    _told(out, ", ".join(chosen), "vectors and probabilities", f"merc.runtime.load_analysis({str(out)!r})", weights)


def _told(out: Path, name: str, gives: str, call: str, weights: str) -> None:
    from merc.onnx.analysis import size

    exactly = "as torch gives them" if weights == "float32" else f"by weights rounded to {weights}"
    typer.echo(f"{out}: {name}, {size(out) / 1e6:.1f} MB; {gives} {exactly}")
    typer.echo(f"predict with {call}")
