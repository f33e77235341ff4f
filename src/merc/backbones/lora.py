"""Low-rank adapters beside linear layers: y = W x + c + 2 B (A x).

Source: E. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. Training goes through the library peft;
reading needs no more than this file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from merc.errors import FormatError, MissingExtra

SCALE = 2.0
"""Factor of what the adapters add, in training (alpha = 2 × rank) as in reading."""

_FIRST, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


class LowRankLinear(nn.Module):
    """A frozen linear layer with its adapter: ``(…, in)`` to ``(…, out)``."""

    def __init__(self, frozen: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.frozen = frozen
        self.down, self.up = nn.Parameter(down, requires_grad=False), nn.Parameter(up, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        """W x + c + 2 B (A x)."""
        added = nn.functional.linear(nn.functional.linear(x.to(self.down.dtype), self.down), self.up)
        y: Tensor = self.frozen(x)
        return y + added * SCALE


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


def adapted(network: Any, values: Mapping[str, Tensor], *, source: Path) -> Any:
    """Put the adapters of a file beside the layers that they are named after, and return the network.

    Parameters of a ``head.`` are left out. Raises FormatError where a layer is not in the network or has another shape.
    """
    plain = {name.removeprefix(_FIRST).replace(".default.", "."): one for name, one in values.items()}
    layers = sorted(name.removesuffix(_DOWN) for name in plain if name.endswith(_DOWN))
    if not layers:
        raise FormatError(f"{source} holds no adapters; expected a file that 'merc train text-encoder' wrote")
    for name in layers:
        parent, _, last = name.rpartition(".")
        try:
            room = network.get_submodule(parent)
            layer, down, up = getattr(room, last), plain[name + _DOWN], plain[name + _UP]
        except (AttributeError, KeyError) as error:
            raise FormatError(f"{source} holds adapters of another encoder: no layer {name} here") from error
        if (up.shape[0], down.shape[1]) != tuple(layer.weight.shape):
            raise FormatError(
                f"{source}: adapter of {name} has another shape than the layer {tuple(layer.weight.shape)}"
            )
        device = layer.weight.device
        setattr(room, last, LowRankLinear(layer, down.to(device), up.to(device)))
    return network
