"""The contract of pretrained networks: raw inputs to states on any device, frozen, adapted or fully trained.

Symbols: B items of a batch, S steps of the longest of them, d numbers of a state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar, Generic, Self, TypeVar

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.options import at_least, one_of

MODES = ("frozen", "lora", "top-k", "all-but-front-end", "full")
"""What of a network is trained: nothing, low-rank adapters, its last layers, all but what it reads its input with (the
convolutions of a speech encoder), or everything."""

Raw = TypeVar("Raw")


@dataclass(frozen=True, slots=True)
class Inputs:
    """Tensors that a network reads; subclasses name them."""

    def to(self, device: torch.device) -> Self:
        """The same tensors on a device."""
        return type(self)(**{one.name: getattr(self, one.name).to(device) for one in fields(self)})


@dataclass(frozen=True, slots=True)
class States:
    """What a network gives: ``values (B, S, …)`` float32, and in ``mask (B, S)`` bool which steps are real."""

    values: Tensor
    mask: Tensor

    def means(self) -> Tensor:
        """The mean of the real steps of each item: ``(B, …)``."""
        real = self.mask.reshape(*self.mask.shape, *[1] * (self.values.dim() - 2)).to(self.values.dtype)
        return (self.values * real).sum(1) / real.sum(1).clamp_min(1.0)


@dataclass(frozen=True, slots=True)
class Training:
    """Which parameters of a backbone are trained."""

    mode: str = "frozen"
    """One of ``MODES``."""
    layers: int = 2
    """For "top-k": how many of the last layers."""
    rank: int = 16
    """For "lora": rank of the adapters; 16 is what the shipped text encoders have."""

    def __post_init__(self) -> None:
        one_of(MODES, scope="training", mode=self.mode)
        at_least(1, scope="training", layers=self.layers, rank=self.rank)


class Backbone(nn.Module, ABC, Generic[Raw]):
    """A pretrained network with what turns raw inputs into its tensors.

    Attributes:
        name: Registry name of the weight, such as "mpnet".
        sha256: Hash of the weights; empty for a network that was made otherwise (random ones in tests).
        modes: Which of ``MODES`` this network supports.
        adapted: Names of the linear layers that low-rank adapters are put on.
        network: The torch module.
    """

    name: ClassVar[str]
    modes: ClassVar[tuple[str, ...]] = MODES
    adapted: tuple[str, ...] = ()
    sha256: str
    network: nn.Module

    def __init__(self, network: nn.Module, *, sha256: str = "") -> None:
        super().__init__()
        self.network, self.sha256 = network, sha256

    @property
    def device(self) -> torch.device:
        """Where the network's numbers are."""
        return next((one.device for one in (*self.parameters(), *self.buffers())), torch.device("cpu"))

    @abstractmethod
    def prepare(self, raw: Sequence[Raw]) -> Inputs:
        """Turn raw items into the network's tensors, on the CPU."""

    @abstractmethod
    def forward(self, inputs: Any) -> States:
        """Run the network on prepared inputs, which are moved to its device; gradients pass where it is trained."""

    def layers(self) -> Sequence[nn.Module]:
        """The layers in order, first to last, of which "top-k" trains the last ones."""
        raise InputError(f"backbone '{self.name}' has no list of layers; choose another mode than top-k")

    def front_end(self) -> Sequence[nn.Module]:
        """What turns the input into the first states, which "all-but-front-end" leaves as it is."""
        raise InputError(f"backbone '{self.name}' has no front end; choose another mode than all-but-front-end")

    def trainable(self, mode: str = "frozen", *, layers: int = 2, rank: int = 16) -> list[nn.Parameter]:
        """Choose what is trained, and return those parameters.

        Args:
            mode: "frozen" (nothing), "lora" (low-rank adapters on ``adapted``), "top-k" (the last ``layers`` layers),
                "all-but-front-end" or "full".
            layers: Number of layers for "top-k".
            rank: Rank of the adapters for "lora".

        Raises:
            InputError: the mode is unknown or not supported by this network, or it has fewer layers.
            MissingExtra: "lora" without the library peft.
        """
        chosen = Training(mode, layers, rank)
        if mode not in self.modes:
            raise InputError(
                f"backbone '{self.name}' cannot be trained as '{mode}'; it supports {', '.join(self.modes)}"
            )
        self.requires_grad_(mode in ("full", "all-but-front-end"))
        if mode == "all-but-front-end":
            for module in self.front_end():
                module.requires_grad_(False)
        elif mode == "top-k":
            self._thaw(chosen.layers)
        elif mode == "lora":
            from merc.backbones.lora import add_adapters

            add_adapters(self.network, self.adapted, rank=chosen.rank)
        return [one for one in self.parameters() if one.requires_grad]

    def _thaw(self, count: int) -> None:
        layers = self.layers()
        if count > len(layers):
            raise InputError(f"backbone '{self.name}' has {len(layers)} layers; {count} were to be trained")
        for layer in layers[-count:]:
            layer.requires_grad_(True)
