"""Where a method may step into the training loop without changing a system or the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc.systems import Batch, Output, System


class Hook(Protocol):
    """Called by the loop in this order: ``start`` once, then each step ``losses`` and ``gradients``, then ``epoch``."""

    def start(self, system: System) -> Iterable[nn.Parameter]:
        """Before the first step; returns further parameters that the optimiser must train."""
        ...

    def losses(self, output: Output, batch: Batch) -> Mapping[str, Tensor]:
        """Further losses by name, added to those of the system before the backward pass."""
        ...

    def gradients(self, system: System) -> None:
        """After the backward pass, before the gradient is clipped: change it in place."""
        ...

    def epoch(self) -> Mapping[str, float]:
        """After an epoch: figures for the tracker."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """What a resumed training needs."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a stored state."""
        ...
