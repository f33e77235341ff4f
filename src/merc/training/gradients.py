"""Steps into the training of any system and steers the gradients of its encoders; hooks by name are in ``HOOKS``."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from merc.errors import InputError
from merc.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc.systems import Batch, Output, System
    from merc.systems.cggm import CggmOptions, Guide
    from merc.training.hooks import Hook


class Modulation:
    """Classifier-guided gradient modulation (see ``merc.systems.cggm``) of a system that names its encoders.

    The classifiers start from weights of their own seed and draw no other random number, so that a training whose
    factors are all 1 and whose direction weight is 0 gives the weights of plain training.
    """

    def __init__(self, options: CggmOptions | None = None, *, seed: int = 0) -> None:
        self._options, self._seed = options, seed
        self._guide: Guide | None = None

    @property
    def guide(self) -> Guide:
        """The classifiers and factors; raises InputError before ``start``."""
        if self._guide is None:
            raise InputError("gradient modulation has not seen its system; call start(system) first")
        return self._guide

    def start(self, system: System) -> Iterable[nn.Parameter]:
        """Make a classifier for each encoder of the system; returns their parameters."""
        import torch

        from merc.systems.cggm import Cggm, CggmOptions, guide_of

        if isinstance(system, Cggm):
            raise InputError("system 'cggm' steers its own gradients; train it without a gradient hook")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            self._guide = guide_of(system, self._options or CggmOptions())
        return list(self._guide.parameters())

    def losses(self, output: Output, batch: Batch) -> Mapping[str, Tensor]:
        """The classifiers' own loss, and the direction loss."""
        found: Mapping[str, Tensor] = self.guide(output, batch)
        return found

    def gradients(self, system: System) -> None:
        """Multiply the gradients of each encoder by its factor."""
        from merc.nn.gradients import scale_gradients

        for name, parameters in system.encoders().items():
            scale_gradients(parameters, self.guide.factor(name))

    def epoch(self) -> Mapping[str, float]:
        """The factors, and how often each classifier was right in its last window."""
        figures: dict[str, float] = {}
        for name, right in zip(self.guide.names, self.guide.before.tolist(), strict=True):
            figures |= {f"cggm_factor_{name}": self.guide.factor(name), f"cggm_right_{name}": float(right)}
        return figures

    def state_dict(self) -> dict[str, Tensor]:
        """Classifiers, counts and factors."""
        return dict(self.guide.state_dict())

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a stored state."""
        self.guide.load_state_dict(state)


HOOKS: Registry[Callable[[], Hook]] = Registry("gradient hook", {"cggm": Modulation})
