"""A folder for ``merc.runtime``: the graph, checked against torch, and the manifest that describes it."""

from __future__ import annotations

import json
import logging
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import merc
from merc import runtime
from merc.cache import file_hash, replacing
from merc.errors import InputError, MissingExtra

GRAPH = "model.onnx"
OPSET = 18
"""Operators of the graph; ONNX Runtime 1.14 and later read them."""
TOLERANCE = 1e-4
"""Largest difference of a probability between torch and ONNX Runtime."""
LENGTHS = (1, 2, 7, 40)
"""Numbers of utterances that both are compared on; the graph is traced on another number."""
TRACED = 5
MOST = 4096
"""Most utterances that the newer exporter follows."""


@dataclass(frozen=True, slots=True)
class Input:
    """One input of a model.

    Attributes:
        name: Of the modality.
        width: Numbers in a row.
        needed: Whether it may not be left out.
        encoder: What makes it, as the feature store describes it.
        normalisation: ``mean`` and ``deviation`` of the training part and the ``limit`` where values are cut; None.
        probabilities: Whether a row holds the probabilities of the labels, in their order.
    """

    name: str
    width: int
    needed: bool
    encoder: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Mapping[str, Any] | None = None
    probabilities: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What becomes a folder.

    Attributes:
        module: ``forward(speakers, *tensors)`` to logits; ``speakers`` int64, ``tensors`` for each input its values,
            float32 ``(..., d)``, then for each whether a row is present, bool. The T utterances are axis 1 of
            ``(1, T)`` at level "dialogue", axis 0 of ``(T, 1)`` at level "utterance".
        level: "dialogue" or "utterance".
        inputs: In the order of ``values``.
        labels: Names of the classes.
        facts: Whatever else the manifest holds: name, title, training, licence.
        temperature: Of the logits.
        bias: Added after the temperature, for each label; none: zeros.
    """

    module: nn.Module
    level: str
    inputs: Sequence[Input]
    labels: Sequence[str]
    facts: Mapping[str, Any]
    temperature: float = 1.0
    bias: Sequence[float] = ()

    @property
    def axis(self) -> int:
        """The axis of the utterances."""
        return 1 if self.level == "dialogue" else 0

    @property
    def names(self) -> list[str]:
        """Names of the inputs of the graph."""
        own = [one.name for one in self.inputs]
        return [runtime.SPEAKERS, *own, *(f"{name}{runtime.PRESENT}" for name in own)]


def write(what: Exported, out: Path) -> Path:
    """Write the folder.

    Args:
        what: The model.
        out: The folder; what it holds of an earlier export is replaced.

    Returns:
        The path of the manifest.

    Raises:
        InputError: If torch cannot write the model as a graph, or the graph gives other probabilities.
        MissingExtra: If onnx is not installed.
    """
    first = _attempt(what, out, dynamo=False)
    if first and _attempt(what, out, dynamo=True):
        (out / GRAPH).unlink(missing_ok=True)
        raise InputError(f"{what.facts.get('name')} cannot be exported: {first}")
    return out / runtime.MANIFEST


def _attempt(what: Exported, out: Path, *, dynamo: bool) -> str:
    """Write the folder with one of torch's two exporters; why that is not possible, or "".

    The older one records the operations of a run and takes packed rows, whose sizes depend on values; the newer one
    follows sizes through layers of torch that the older one fixes at those of the run.
    """
    with replacing(out / GRAPH) as temporary:
        if reason := _trace(what, temporary, dynamo=dynamo):
            return reason
    _describe(what, out)
    if reason := _difference(what, out):
        (out / runtime.MANIFEST).unlink()
    return reason


def _describe(what: Exported, out: Path) -> None:
    """Write the manifest."""
    bias = list(what.bias) or [0.0] * len(what.labels)
    manifest = {
        **what.facts,
        "format": runtime.FORMAT,
        "merc": merc.__version__,
        "graph": GRAPH,
        "files": {GRAPH: file_hash(out / GRAPH)},
        "level": what.level,
        "labels": list(what.labels),
        "inputs": [{**asdict(one), "type": "float32", "shape": ["T", one.width]} for one in what.inputs],
        "speakers": "names of the speakers of the T utterances, in order",
        "output": {"name": "logits", "shape": ["T", len(what.labels)]},
        "calibration": {"temperature": what.temperature, "bias": bias},
    }
    with replacing(out / runtime.MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8")


def example(what: Exported, count: int, *, seed: int = 0) -> tuple[Tensor, ...]:
    """Random inputs of the module for ``count`` utterances of two speakers, a tenth of the rows absent."""
    random = torch.Generator().manual_seed(seed)
    speakers = torch.randint(2, (count,), generator=random)
    speakers = (speakers != speakers[0]).long()  # numbers in order of appearance
    values = [torch.randn(count, one.width, generator=random) for one in what.inputs]
    values = [torch.softmax(3 * v, -1) if one.probabilities else v for one, v in zip(what.inputs, values, strict=True)]
    present = [torch.rand(count, generator=random) > 0.1 for _ in what.inputs]
    return tuple(one.unsqueeze(1 - what.axis) for one in (speakers, *values, *present))


def _trace(what: Exported, path: Path, *, dynamo: bool) -> str:
    """Write the graph; why torch cannot, or ""."""
    names, axis = what.names, what.axis
    length = {axis: torch.export.Dim("T", min=1, max=MOST)}
    followed: dict[str, Any] = {"dynamic_axes": {name: {axis: "T"} for name in [*names, "logits"]}}
    if dynamo:
        tensors = tuple(length for _ in names[1:])
        followed = {"dynamic_shapes": {"speakers": length, "tensors": tensors}, "external_data": False}
    with _for_export():
        try:
            torch.onnx.export(
                what.module.eval(),
                example(what, TRACED),
                str(path),
                input_names=names,
                output_names=["logits"],
                opset_version=OPSET,
                dynamo=dynamo,
                **followed,
            )
        except ModuleNotFoundError as error:
            raise MissingExtra("the export needs onnx and onnxscript: pip install 'merc[onnx]'") from error
        except Exception as error:  # noqa: BLE001 - torch raises a class of its own for each reason
            return f"torch says {_first_line(error)}"
    return ""


def _difference(what: Exported, out: Path) -> str:
    """In what the probabilities of a folder differ from those of torch, at several numbers of utterances, or ""."""
    loaded = runtime.load(out)
    for count in LENGTHS:
        inputs = example(what, count, seed=count)
        with torch.no_grad():
            logits = what.module(*inputs).reshape(count, len(what.labels)).double().numpy()
        wanted, found = (_softmax(one) for one in (logits, _run(loaded, what, inputs)))
        if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=TOLERANCE, equal_nan=True):
            return (
                f"with {count} utterances the graph gives other probabilities than torch, as its loops have the "
                "length that it was traced with"
            )
    return ""


def _run(loaded: runtime.Model, what: Exported, inputs: Sequence[Tensor]) -> np.ndarray:
    """The logits of the graph, past normalisation; none where it cannot run on this number of utterances."""
    fed = {name: one.numpy() for name, one in zip(what.names, inputs, strict=True) if name in loaded.graph_inputs}
    with _silence():
        try:
            return loaded.run(fed)
        except Exception:  # noqa: BLE001 - those of ONNX Runtime have no common base
            return np.zeros((0, len(what.labels)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    power = np.exp(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    return np.asarray(power / power.sum(-1, keepdims=True))


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
        with warnings.catch_warnings(), _silence(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        torch.backends.mha.set_fastpath_enabled(fused)


@contextmanager
def _silence() -> Iterator[None]:
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
