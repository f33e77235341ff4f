"""Low-rank adapters of linear layers: y = (W + 2 B A) x + c.

Source: E. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. Training goes through the library peft;
reading merges them into the layers and needs no more than this file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from merc.errors import FormatError, require

SCALE = 2.0
"""Factor of what the adapters add, in training (alpha = 2 × rank) as in reading."""

_FIRST, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def add_adapters(network: nn.Module, layers: Sequence[str], *, rank: int) -> None:
    """Put trainable adapters on the linear layers of these names, in place; everything else is frozen.

    Raises:
        MissingExtra: peft is not installed.
    """
    require("peft", extra="tune", what="low-rank adapters need {}")
    from peft import LoraConfig, inject_adapter_in_model

    options = LoraConfig(r=rank, lora_alpha=int(SCALE * rank), lora_dropout=0.0, target_modules=list(layers))
    with warnings.catch_warnings():
        # peft still asks transformers by an old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        inject_adapter_in_model(options, network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("lora_" in name)


class Adapters:
    """The adapters of a file, for the layers that they are named after: W + 2 B A.

    Args:
        values: Tensors of the file; parameters of a ``head.`` are left out.
        source: The file, for messages.
        dtype: Of the layers that have adapters, afterwards; each sum is rounded once.

    Raises:
        FormatError: The file holds no adapters.
    """

    def __init__(self, values: Mapping[str, Tensor], *, source: Path, dtype: torch.dtype = torch.float32) -> None:
        self._values = {name.removeprefix(_FIRST).replace(".default.", "."): one for name, one in values.items()}
        self._source, self._dtype = source, dtype
        self._layers = {name.removesuffix(_DOWN) for name in self._values if name.endswith(_DOWN)}
        if not self._layers:
            raise FormatError(f"{source} holds no adapters; expected a file that 'merc train text-encoder' wrote")

    def check(self, network: nn.Module) -> None:
        """Raise FormatError for adapters of a layer that is not in the network."""
        absent = sorted(self._layers - {name for name, _ in network.named_modules()})
        if absent:
            raise FormatError(f"{self._source} holds adapters of another encoder: no layer {absent[0]} here")

    def added(self, name: str, tensor: Tensor) -> Tensor:
        """Add the adapter of a layer to its parameter, in float32 and in place; other parameters stay as they are.

        Raises:
            FormatError: The adapter has another shape than the layer.
        """
        layer, _, kind = name.rpartition(".")
        if layer not in self._layers:
            return tensor
        return (tensor.add_(self._product(layer, tensor)) if kind == "weight" else tensor).to(self._dtype)

    def _product(self, layer: str, weight: Tensor) -> Tensor:
        down, up = self._values[layer + _DOWN], self._values.get(layer + _UP)
        if up is None or (up.shape[0], down.shape[1]) != tuple(weight.shape):
            shape = tuple(weight.shape)
            raise FormatError(f"{self._source}: adapter of {layer} has another shape than the layer {shape}")
        return (up.float() @ down.float()).to(weight.device) * SCALE


def merged(network: nn.Module, adapters: Adapters) -> nn.Module:
    """Merge adapters into a network in float32, in place, and return it; raises FormatError as they do."""
    adapters.check(network)
    state = {name: adapters.added(name, tensor) for name, tensor in network.state_dict().items()}
    network.load_state_dict(state, assign=True)
    return network
