"""A folder for ``merc.runtime``: the graph, checked against torch, and the manifest that describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import merc
from merc import runtime
from merc.cache import file_hash, replacing
from merc.errors import InputError
from merc.onnx.graph import halve, silence, trace

GRAPH = "model.onnx"
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
        reads: "vectors": one of an utterance; "steps" or "cells": a sequence of them; "tokens": a sequence of numbers.
    """

    name: str
    width: int
    needed: bool
    encoder: Mapping[str, Any] = field(default_factory=dict)
    normalisation: Mapping[str, Any] | None = None
    probabilities: bool = False
    reads: str = "vectors"

    @property
    def shape(self) -> tuple[str | int, ...]:
        """Axes of what a recording has, for T utterances of S steps."""
        if self.reads == "vectors":
            return ("T", self.width)
        return ("T", "S") if self.reads == "tokens" else ("T", "S", self.width)


@dataclass(frozen=True, slots=True)
class Exported:
    """What becomes a folder.

    Attributes:
        module: ``forward(speakers, *tensors)`` to logits; ``speakers`` int64, ``tensors`` for each input its values,
            float32 ``(..., d)``, then for each whether a row is present, bool. The T utterances are axis 1 of
            ``(1, T)`` at level "dialogue", axis 0 of ``(T, 1)`` at level "utterance". Where an input is a sequence,
            the graph reads one utterance at a time: sequences are ``(1, S, d)``, or int64 ``(1, S)`` for tokens, with
            their number of steps, int64 ``(1, 1)``, 0 for an absent one, in the place of whether it is present.
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
    def single(self) -> bool:
        """Whether the graph reads one utterance at a time."""
        return any(one.reads != "vectors" for one in self.inputs)

    @property
    def names(self) -> list[str]:
        """Names of the inputs of the graph."""
        ends = {one.name: runtime.PRESENT if one.reads == "vectors" else runtime.STEPS for one in self.inputs}
        return [runtime.SPEAKERS, *ends, *(f"{name}{end}" for name, end in ends.items())]


def write(what: Exported, out: Path, *, numbers: str = "float32") -> Path:
    """Write the folder.

    Args:
        what: The model.
        out: The folder; what it holds of an earlier export is replaced.
        numbers: What weights are stored in; one of ``merc.onnx.graph.NUMBERS``.

    Returns:
        The path of the manifest.

    Raises:
        InputError: If torch cannot write the model as a graph, or the graph gives other probabilities.
        MissingExtra: If onnx is not installed.
    """
    first = _attempt(what, out, dynamo=False)
    if first and (what.single or _attempt(what, out, dynamo=True)):
        (out / GRAPH).unlink(missing_ok=True)
        raise InputError(f"{what.facts.get('name')} cannot be exported: {first}")
    if numbers == "float16":
        with replacing(out / GRAPH) as temporary:
            temporary.write_bytes((out / GRAPH).read_bytes())
            halve(temporary)
        _describe(what, out, numbers)
    return out / runtime.MANIFEST


def _attempt(what: Exported, out: Path, *, dynamo: bool) -> str:
    """Write the folder with one of torch's two exporters; why that is not possible, or "".

    The older one records the operations of a run and takes packed rows, whose sizes depend on values; the newer one
    follows sizes through layers of torch that the older one fixes at those of the run.
    """
    with replacing(out / GRAPH) as temporary:
        if reason := _trace(what, temporary, dynamo=dynamo):
            return reason
    _describe(what, out, "float32")
    if reason := _difference(what, out):
        (out / runtime.MANIFEST).unlink()
    return reason


def _describe(what: Exported, out: Path, numbers: str) -> None:
    """Write the manifest."""
    bias = list(what.bias) or [0.0] * len(what.labels)
    manifest = {
        **what.facts,
        "format": runtime.FORMAT,
        "merc": merc.__version__,
        "kind": runtime.MODEL,
        "graph": GRAPH,
        "bytes": {GRAPH: (out / GRAPH).stat().st_size},
        "numbers": {"stored in": numbers},
        "files": {GRAPH: file_hash(out / GRAPH)},
        "level": what.level,
        "labels": list(what.labels),
        "inputs": [{**asdict(one), "type": _type(one), "shape": list(one.shape)} for one in what.inputs],
        "speakers": "names of the speakers of the T utterances, in order",
        "output": {"name": "logits", "shape": ["T", len(what.labels)]},
        "calibration": {"temperature": what.temperature, "bias": bias},
    }
    with replacing(out / runtime.MANIFEST) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1, default=str) + "\n", encoding="utf-8")


def _type(one: Input) -> str:
    return "int64" if one.reads == "tokens" else "float32"


def example(what: Exported, count: int, *, seed: int = 0) -> tuple[Tensor, ...]:
    """Random inputs of the module for ``count`` utterances of two speakers, a tenth of the rows absent.

    Of a module that reads one utterance at a time: one whose first sequence has ``count`` steps, and each further one
    another number of steps; with a seed above 0 a third of the others are absent.
    """
    if what.single:
        return _one_utterance(what, count, seed)
    random = torch.Generator().manual_seed(seed)
    speakers = torch.randint(2, (count,), generator=random)
    speakers = (speakers != speakers[0]).long()  # numbers in order of appearance
    values = [torch.randn(count, one.width, generator=random) for one in what.inputs]
    values = [torch.softmax(3 * v, -1) if one.probabilities else v for one, v in zip(what.inputs, values, strict=True)]
    present = [torch.rand(count, generator=random) > 0.1 for _ in what.inputs]
    return tuple(one.unsqueeze(1 - what.axis) for one in (speakers, *values, *present))


def _one_utterance(what: Exported, count: int, seed: int) -> tuple[Tensor, ...]:
    random = torch.Generator().manual_seed(seed)
    values: list[Tensor] = []
    steps: list[Tensor] = []
    for place, one in enumerate(what.inputs):
        absent = bool(seed and values and not one.needed and torch.rand(1, generator=random) < 1 / 3)
        length = 1 if absent else count + 3 * place
        shape: tuple[int, ...] = (1, 1, one.width) if one.reads == "vectors" else (1, length, one.width)
        if one.reads == "tokens":
            values.append(torch.randint(one.width, shape[:2], generator=random) * (not absent))
        else:
            values.append(torch.randn(shape, generator=random) * (not absent))
        steps.append(
            torch.tensor([[not absent]]) if one.reads == "vectors" else torch.tensor([[length * (not absent)]])
        )
    return (torch.zeros(1, 1, dtype=torch.int64), *values, *steps)


def _trace(what: Exported, path: Path, *, dynamo: bool) -> str:
    """Write the graph; why torch cannot, or ""."""
    names, axis = what.names, what.axis
    length = {axis: torch.export.Dim("T", min=1, max=MOST)}
    axes = {name: {axis: "T"} for name in [*names, "logits"]}
    if what.single:
        axes = {one.name: {1: f"S_{one.name}"} for one in what.inputs if one.reads != "vectors"}
    followed: dict[str, Any] = {"dynamic_axes": axes}
    if dynamo:
        tensors = tuple(length for _ in names[1:])
        followed = {"dynamic_shapes": {"speakers": length, "tensors": tensors}}
    return trace(
        what.module, example(what, TRACED), path, names=names, output="logits", dynamo=dynamo, followed=followed
    )


def _difference(what: Exported, out: Path) -> str:
    """In what the probabilities of a folder differ from those of torch, at several numbers of utterances, or ""."""
    loaded = runtime.load(out)
    for count in LENGTHS:
        inputs = example(what, count, seed=count)
        with torch.no_grad():
            logits = what.module(*inputs).reshape(-1, len(what.labels)).double().numpy()
        wanted, found = (_softmax(one) for one in (logits, _run(loaded, what, inputs)))
        if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=0, atol=TOLERANCE, equal_nan=True):
            of = "steps" if what.single else "utterances"
            return (
                f"with {count} {of} the graph gives other probabilities than torch, as its loops have the "
                "length that it was traced with"
            )
    return ""


def _run(loaded: runtime.Model, what: Exported, inputs: Sequence[Tensor]) -> np.ndarray:
    """The logits of the graph, past normalisation; none where it cannot run on this number of utterances."""
    fed = {name: one.numpy() for name, one in zip(what.names, inputs, strict=True) if name in loaded.graph_inputs}
    with silence():
        try:
            return loaded.run(fed)
        except Exception:  # noqa: BLE001 - those of ONNX Runtime have no common base
            return np.zeros((0, len(what.labels)))


def _softmax(logits: np.ndarray) -> np.ndarray:
    power = np.exp(logits - logits.max(-1, keepdims=True, initial=-np.inf))
    return np.asarray(power / power.sum(-1, keepdims=True))
