"""A module of torch as a graph: traced by either of torch's exporters, quietly, and its weights in half the size."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from merc.errors import MissingExtra

OPSET = 18
"""Operators of the graph; ONNX Runtime 1.19.2 has them for every type that our graphs use."""
NUMBERS = ("float32", "float16")
"""What the weights of a graph are stored in; it always computes in float32."""
_LARGE = 1024  # numbers of a weight from which on it is stored in half the size


def trace(
    module: nn.Module,
    example: tuple[Tensor, ...],
    path: Path,
    *,
    names: Sequence[str],
    output: str,
    dynamo: bool,
    followed: Mapping[str, Any],
) -> str:
    """Write a module as a graph.

    Args:
        module: What is run on the example.
        example: Its inputs.
        path: Of the file.
        names: Of the inputs.
        output: Name of the output.
        dynamo: Use the newer exporter, which follows sizes through layers of torch that the older one fixes.
        followed: ``dynamic_axes`` for the older exporter, ``dynamic_shapes`` for the newer one.

    Returns:
        Why torch cannot, or "".

    Raises:
        MissingExtra: If onnx or onnxscript is not installed.
    """
    more: dict[str, Any] = {"external_data": False} if dynamo else {}
    with _for_export(), _more_operators():
        try:
            torch.onnx.export(
                module.eval(),
                example,
                str(path),
                input_names=list(names),
                output_names=[output],
                opset_version=OPSET,
                dynamo=dynamo,
                **followed,
                **more,
            )
        except ModuleNotFoundError as error:
            raise MissingExtra("the export needs onnx and onnxscript: pip install 'merc[onnx]'") from error
        except Exception as error:  # noqa: BLE001 - torch raises a class of its own for each reason
            return f"torch says {_first_line(error)}"
    return ""


@contextmanager
def _more_operators() -> Iterator[None]:
    """Let the older exporter write operators that it does not know, or only for some types."""
    from torch.onnx.utils import register_custom_op_symbolic, unregister_custom_op_symbolic

    operators = {"aten::argsort": _argsort, "aten::diff": _diff, "aten::mT": _transposed}
    for name, written in operators.items():
        register_custom_op_symbolic(name, written, OPSET)
    try:
        yield
    finally:
        for name in operators:
            unregister_custom_op_symbolic(name, OPSET)


def _argsort(g: Any, values: Any, *how: Any) -> Any:
    """``argsort`` with or without ``stable`` by TopK, which gives the first of equal values first."""
    from torch.onnx import symbolic_helper

    axis, descending = (symbolic_helper._get_const(one, "i", "how") for one in how[-2:])  # type: ignore[no-untyped-call]
    if values.type().dtype() in (torch.int8, torch.bool, torch.uint8):
        values = g.op("Cast", values, to_i=7)  # int64
    size = g.op("Shape", values)
    size = g.op("Gather", size, g.op("Constant", value_t=torch.tensor([axis])))
    return g.op("TopK", values, size, axis_i=axis, largest_i=int(descending), sorted_i=1, outputs=2)[1]


def _diff(g: Any, values: Any, *how: Any) -> Any:
    """``diff`` of first order along the last axis."""

    def part(first: int, last: int) -> Any:
        ends = (g.op("Constant", value_t=torch.tensor([one])) for one in (first, last, -1))
        return g.op("Slice", values, *ends)

    return g.op("Sub", part(1, torch.iinfo(torch.int64).max), part(0, -1))


def _transposed(g: Any, values: Any) -> Any:
    """``mT``: the last two axes swapped."""
    from torch.onnx import symbolic_opset9

    return symbolic_opset9.transpose(g, values, -2, -1)


def halve(path: Path) -> None:
    """Store the large float32 weights of a graph in float16; ONNX Runtime turns them back as it loads them.

    A weight keeps 11 significant bits; merc itself multiplies in bfloat16, which has 8, where a machine can.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(str(path))

    def halved(tensor: Any, name: str) -> Any:
        """A node that turns a weight back, which is now stored in float16; None for one that stays as it is."""
        values = numpy_helper.to_array(tensor)
        small = tensor.data_type != onnx.TensorProto.FLOAT or values.size < _LARGE
        if small or float(np.abs(values).max()) > float(np.finfo(np.float16).max):
            return None
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        return onnx.helper.make_node("Cast", [f"{name}_half"], [name], to=onnx.TensorProto.FLOAT)

    nodes = [cast for one in model.graph.initializer if (cast := halved(one, one.name)) is not None]
    for node in model.graph.node:
        nodes.append(node)
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            name = node.output[0]
            if (cast := halved(node.attribute[0].t, name)) is not None:
                node.output[0] = f"{name}_half"
                nodes.append(cast)
    kept = [onnx.NodeProto.FromString(one.SerializeToString()) for one in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, str(path))


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"'{lines[0][:200]}'" if lines else type(error).__name__


@contextmanager
def _for_export() -> Iterator[None]:
    """Without the fused layers that no graph has, and without what the exporters print, also past Python."""
    fused, before = torch.backends.mha.get_fastpath_enabled(), logging.root.manager.disable
    torch.backends.mha.set_fastpath_enabled(False)
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), silence(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        torch.backends.mha.set_fastpath_enabled(fused)


@contextmanager
def silence() -> Iterator[None]:
    """Send what is written to the descriptors of stdout and stderr nowhere."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in (1, 2)}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(nowhere, number)
        with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
            yield
    finally:
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
