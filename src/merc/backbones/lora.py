"""Linear layers with low-rank adapters beside them, as they are read from a file: y = W x + c + 2 B (A x).

Source: E. Hu et al., LoRA: Low-Rank Adaptation of Large Language Models, 2021. Training goes through the library peft;
reading needs no more than this.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from merc.errors import FormatError

SCALE = 2.0  # of what the adapters add; training has the same

_FIRST, _DOWN, _UP = "base_model.model.", ".lora_A.weight", ".lora_B.weight"


class LowRankLinear(nn.Module):
    """A frozen linear layer with its adapter: ``(…, in)`` to ``(…, out)``."""

    def __init__(self, frozen: nn.Module, down: Tensor, up: Tensor) -> None:
        super().__init__()
        self.frozen = frozen
        self.down, self.up = nn.Parameter(down, requires_grad=False), nn.Parameter(up, requires_grad=False)

    def forward(self, given: Tensor) -> Tensor:
        """W x + c + 2 B (A x)."""
        added = nn.functional.linear(nn.functional.linear(given.to(self.down.dtype), self.down), self.up)
        said: Tensor = self.frozen(given)
        return said + added * SCALE


def adapted(network: Any, values: Mapping[str, Tensor], *, source: Path) -> Any:
    """Put the adapters of a file beside the layers that they are named after, and return the network.

    Numbers of a ``head.`` are left out. Raises FormatError where a layer is not in the network or has another shape.
    """
    plain = {name.removeprefix(_FIRST).replace(".default.", "."): one for name, one in values.items()}
    layers = sorted(name.removesuffix(_DOWN) for name in plain if name.endswith(_DOWN))
    if not layers:
        raise FormatError(f"{source} holds no adapters; expected the file of 'merc tune'")
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
        setattr(room, last, LowRankLinear(layer, down, up))
    return network
