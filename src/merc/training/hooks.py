"""Where a method may change the training of any module without changing the module or the loop."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn


class Hook(Protocol):
    """Called by the loop: ``start`` once; ``losses``, ``before_step``, ``after_step`` each step; ``epoch`` and then
    ``after_epoch`` each epoch.

    With several processes the state of the first one is copied to the others before ``before_step``, so that all change
    the summed gradient alike.
    """

    def start(self, module: nn.Module) -> Iterable[nn.Parameter]:
        """Prepare for a module on its device, before the first step.

        Returns:
            Further parameters that the optimiser must train.
        """
        ...

    def losses(self, output: Any, batch: Any) -> Mapping[str, Tensor]:
        """Give further losses of a batch by name, added to those of the task before the backward pass.

        Args:
            output: what the task's loss made of the batch, None where it keeps nothing.
            batch: on the module's device.
        """
        ...

    def before_step(self, module: nn.Module) -> None:
        """Change the gradients in place: after the backward pass, before they are clipped."""
        ...

    def after_step(self, module: nn.Module, step: int) -> None:
        """Look at or change the weights after a step of the optimiser; ``step`` counts from 1."""
        ...

    def epoch(self) -> Mapping[str, float]:
        """Give figures for the history, after an epoch."""
        ...

    def after_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Look at the row of the history of an epoch, from 1; an exception that is raised here ends the training."""
        ...

    def state_dict(self) -> dict[str, Tensor]:
        """Give what a resumed training needs; the tensors are the hook's own, not copies."""
        ...

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a stored state."""
        ...


class BaseHook:
    """A hook that does nothing: inherit from it and write the methods that matter."""

    def start(self, module: nn.Module) -> Iterable[nn.Parameter]:
        """No further parameters."""
        return ()

    def losses(self, output: Any, batch: Any) -> Mapping[str, Tensor]:
        """No further losses."""
        return {}

    def before_step(self, module: nn.Module) -> None:
        """Leave the gradients alone."""

    def after_step(self, module: nn.Module, step: int) -> None:
        """Leave the weights alone."""

    def epoch(self) -> Mapping[str, float]:
        """No figures."""
        return {}

    def after_epoch(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Let the training continue."""

    def state_dict(self) -> dict[str, Tensor]:
        """No state."""
        return {}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """No state."""
