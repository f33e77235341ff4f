"""The folder of an encoder: tokens, spectra or pictures in, vectors out; preprocessing is in ``merc.runtime``.

The graphs compute in float32. merc itself multiplies in bfloat16 where the machine can, so its vectors differ from
these by the rounding of that.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import merc
from merc import runtime
from merc.cache import file_hash, replacing
from merc.errors import InputError
from merc.onnx.folder import GRAPH, TOLERANCE
from merc.onnx.graph import halve, silence, trace
from merc.runtime.folder import session

OUTPUT = "vectors"
SIZES = (1, 2, 3)
"""Sizes of the examples on which graph and torch are compared; a graph is traced on the last."""


@dataclass(frozen=True, slots=True)
class Axis:
    """An input of a graph: its name, shape in words, type, unit, and which axes may have any size."""

    name: str
    shape: tuple[str | int, ...]
    type: str
    unit: str

    @property
    def free(self) -> dict[int, str]:
        """Axes of any size, with their symbols."""
        return {place: one for place, one in enumerate(self.shape) if isinstance(one, str)}


@dataclass(frozen=True, slots=True)
class ExportedEncoder:
    """What becomes the folder of an encoder.

    Attributes:
        name: Of the encoder.
        module: What becomes the graph.
        inputs: Of the graph.
        output: Shape of the output.
        example: Inputs of a size 1, 2 or 3 that no other size has.
        reads: What the runtime is given; one of ``merc.runtime.encoders.READERS``.
        description: Of the encoder, as a feature store holds it.
        licence: Terms of its weights.
        settings: Of the preprocessing.
        files: More files of the folder, by name.
    """

    name: str
    module: nn.Module
    inputs: Sequence[Axis]
    output: tuple[str | int, ...]
    example: Callable[[int], tuple[Tensor, ...]]
    reads: str
    description: Mapping[str, Any]
    licence: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)


def write(what: ExportedEncoder, out: Path, *, numbers: str = "float32") -> Path:
    """Write the folder of an encoder.

    Args:
        what: The encoder.
        out: The folder; what it holds of an earlier export is replaced.
        numbers: What weights are stored in; one of ``merc.onnx.graph.NUMBERS``.

    Returns:
        The path of the manifest.

    Raises:
        InputError: If torch cannot write the graph, or the graph gives other vectors.
        MissingExtra: If onnx is not installed.
    """
    names = [one.name for one in what.inputs]
    axes = {one.name: one.free for one in what.inputs} | {OUTPUT: Axis(OUTPUT, what.output, "", "").free}
    with replacing(out / GRAPH) as temporary:
        reason = trace(
            what.module,
            what.example(SIZES[-1]),
            temporary,
            names=names,
            output=OUTPUT,
            dynamo=False,
            followed={"dynamic_axes": axes},
        )
        reason = reason or _difference(what, temporary)
        if reason:
            raise InputError(f"encoder '{what.name}' cannot be exported: {reason}")
        if numbers == "float16":
            halve(temporary)
    for name, path in what.files.items():
        with replacing(out / name) as temporary:
            shutil.copyfile(path, temporary)
    return _describe(what, out, numbers)


def _difference(what: ExportedEncoder, graph: Path) -> str:
    """In what the vectors of a graph differ from those of torch, or ""."""
    opened = session(graph, threads=1)
    for size in SIZES:
        inputs = what.example(size)
        fed = {one.name: tensor.numpy() for one, tensor in zip(what.inputs, inputs, strict=True)}
        with torch.no_grad():
            wanted = what.module(*inputs).numpy()
        with silence():
            (found,) = opened.run(None, fed)
        reach = TOLERANCE * max(1.0, float(np.abs(wanted).max()))
        if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=reach):
            return f"on inputs of shapes {[list(one.shape) for one in inputs]} the graph gives other vectors than torch"
    return ""


def _describe(what: ExportedEncoder, out: Path, numbers: str) -> Path:
    files = [GRAPH, *what.files]
    width = what.output[-1]
    manifest = {
        "format": runtime.FORMAT,
        "kind": runtime.ENCODER,
        "merc": merc.__version__,
        "name": what.name,
        "reads": what.reads,
        "encoder": dict(what.description),
        "licence": what.licence,
        "graph": GRAPH,
        "files": {name: file_hash(out / name) for name in files},
        "bytes": {name: (out / name).stat().st_size for name in files},
        "inputs": [{"name": one.name, "type": one.type, "shape": one.shape, "unit": one.unit} for one in what.inputs],
        "output": {"name": OUTPUT, "type": "float32", "shape": what.output},
        "width": width,
        "numbers": {"computed in": "float32", "stored in": numbers},
        "settings": dict(what.settings),
        **({"tokenizer": name} if (name := "tokenizer.json") in what.files else {}),
    }
    with replacing(out / runtime.MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8")
    return out / runtime.MANIFEST
