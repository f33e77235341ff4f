"""Gradient hooks by name: methods that steer the gradients of the encoders of any system."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from merc.errors import InputError
from merc.options import typed
from merc.registry import Registry
from merc.training.hooks import BaseHook

if TYPE_CHECKING:
    from torch import Tensor, nn

    from merc.systems.cggm import CggmOptions, Guide
    from merc.training.hooks import Hook


class Modulation(BaseHook):
    """Classifier-guided gradient modulation (see ``merc.systems.cggm``) of a system that names its encoders.

    The classifiers start from weights of their own seed and draw no other random number, so that a training whose
    factors are all 1 and whose direction weight is 0 gives the weights of plain training.

    Args:
        options: None: the defaults.
        seed: of the classifiers' initial weights.
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

    def start(self, module: nn.Module) -> Iterable[nn.Parameter]:
        """Make a classifier for each encoder of the system; returns their parameters."""
        import torch

        from merc.systems import System
        from merc.systems.cggm import Cggm, CggmOptions, guide_of

        if isinstance(module, Cggm):
            raise InputError("system 'cggm' steers its own gradients; train it without a gradient hook")
        if not isinstance(module, System):
            raise InputError(f"gradient hook 'cggm' steers systems, not {type(module).__name__}; train without it")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self._seed)
            self._guide = guide_of(module, self._options or CggmOptions(), setting="hook")
        return list(self._guide.parameters())

    def losses(self, output: Any, batch: Any) -> Mapping[str, Tensor]:
        """The classifiers' own loss, and the direction loss."""
        found: Mapping[str, Tensor] = self.guide(output, batch)
        return found

    def before_step(self, module: nn.Module) -> None:
        """Multiply the gradients of each encoder by its factor."""
        from merc.nn.gradients import scale_gradients

        for name, parameters in module.encoders().items():  # type: ignore[operator]
            scale_gradients(parameters, self.guide.factor(name))

    def epoch(self) -> Mapping[str, float]:
        """The factors, and the accuracy of each classifier in its last window."""
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


_SYSTEM_ALONE = ("base", "base_options")
"""Options of the system 'cggm' that its hook has no use for: it steers the system that is trained."""


def cggm(**values: Any) -> Modulation:
    """The hook "cggm" from options by name (see ``CggmOptions``) and ``seed``; raises InputError for another name."""
    from merc.systems.cggm import CggmOptions

    seed = values.pop("seed", 0)
    known = [one.name for one in fields(CggmOptions) if one.name not in _SYSTEM_ALONE]
    _refuse_unknown("cggm", values, [*known, "seed"])
    if type(seed) is not int:
        raise InputError(f"cggm: seed is {seed!r}: expected a whole number")
    return Modulation(CggmOptions(**typed(CggmOptions, values, scope="cggm")), seed=seed)


HOOKS: Registry[Callable[..., Hook]] = Registry("gradient hook", {"cggm": cggm})
"""Gradient hooks by name: called with their options, ``HOOKS["cggm"](strength=0.5)``."""


def hooks_of(name: str | None, values: Mapping[str, Any]) -> list[Hook]:
    """The hook of a name with its options, or none where no name is given.

    Raises:
        UnknownName: for a hook that is not known.
        InputError: for an option that the hook does not have, and for a value that it cannot use.

    Example:
        >>> hooks_of("cggm", {"strenght": 0.5})
        Traceback (most recent call last):
        ...
        merc.errors.InputError: gradient hook 'cggm' has no option 'strenght'; it has ...
    """
    return [] if name is None else [HOOKS[name](**values)]


def _refuse_unknown(hook: str, values: Mapping[str, Any], known: Iterable[str]) -> None:
    if unknown := sorted(set(values) - set(known)):
        raise InputError(f"gradient hook '{hook}' has no option '{unknown[0]}'; it has {', '.join(sorted(known))}")
