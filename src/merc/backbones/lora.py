"""Low-rank adapters of linear layers: y = (W + 2 B A) x + c.

Source: E. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. Training goes through the library peft;
reading merges them into the layers and needs no more than this file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from merc.errors import FormatError, MissingExtra

SCALE = 2.0
"""Factor of what the adapters add, in training (alpha = 2 × rank) as in reading."""

_FIRST, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


def add_adapters(network: nn.Module, layers: Sequence[str], *, rank: int) -> None:
    """Put trainable adapters on the linear layers of these names, in place; everything else is frozen.

    Raises:
        MissingExtra: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError as error:
        raise MissingExtra("low-rank adapters need peft: pip install 'merc[tune]'") from error
    options = LoraConfig(r=rank, lora_alpha=int(SCALE * rank), lora_dropout=0.0, target_modules=list(layers))
    with warnings.catch_warnings():
        # peft still asks transformers by an old name
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
        inject_adapter_in_model(options, network)
    for name, parameter in network.named_parameters():
        parameter.requires_grad_("lora_" in name)


def merged(network: Any, values: Mapping[str, Tensor], *, source: Path, dtype: torch.dtype = torch.float32) -> Any:
    """Add the adapters of a file to the layers that they are named after, W + 2 B A, and return the network.

    Args:
        network: In float32; each sum is rounded once.
        values: Tensors of the file; parameters of a ``head.`` are left out.
        source: The file, for messages.
        dtype: Of the layers that have adapters, afterwards.

    Raises:
        FormatError: A layer is not in the network or has another shape.
    """
    plain = {name.removeprefix(_FIRST).replace(".default.", "."): one for name, one in values.items()}
    layers = sorted(name.removesuffix(_DOWN) for name in plain if name.endswith(_DOWN))
    if not layers:
        raise FormatError(f"{source} holds no adapters; expected a file that 'merc train text-encoder' wrote")
    for name in layers:
        try:
            layer, down, up = network.get_submodule(name), plain[name + _DOWN], plain[name + _UP]
        except (AttributeError, KeyError) as error:
            raise FormatError(f"{source} holds adapters of another encoder: no layer {name} here") from error
        if (up.shape[0], down.shape[1]) != tuple(layer.weight.shape):
            raise FormatError(
                f"{source}: adapter of {name} has another shape than the layer {tuple(layer.weight.shape)}"
            )
        added = (up.float() @ down.float()).to(layer.weight.device) * SCALE
        layer.weight = nn.Parameter(layer.weight.detach() + added, requires_grad=False)
        layer.to(dtype)  # layer by layer, so that both precisions of all of them are never in memory
    return network
