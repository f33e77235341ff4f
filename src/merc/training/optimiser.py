"""Parameter groups, learning rate schedules, and the average of weights over the steps of a training."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from merc.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from merc.training.options import LoopOptions

PLATEAU_FACTOR = 0.1
PLATEAU_THRESHOLD = 1e-4
ETA = 8
"""Of polynomial-decay averaging (Shamir & Zhang 2013): the larger, the more the latest weights count."""


@dataclass(frozen=True, slots=True)
class Group:
    """Parameters that share a learning rate and a weight decay.

    Args:
        name: for messages.
        parameters: trained ones.
        learning_rate: None for that of the options.
        weight_decay: None for that of the options.

    Example:
        >>> from torch import nn
        >>> Group("encoder", list(nn.Linear(2, 1).parameters()), learning_rate=1e-5).weight_decay is None
        True
    """

    name: str
    parameters: Sequence[nn.Parameter]
    learning_rate: float | None = None
    weight_decay: float | None = None


def groups_of(module: nn.Module, groups: Sequence[Group]) -> list[Group]:
    """The groups of a training: those given, or all trainable parameters of the module in one.

    Raises:
        InputError: when nothing is trainable, for an empty group, a parameter in two groups, and a trainable parameter
            of the module that is in no group.
    """
    trainable = {name: one for name, one in module.named_parameters() if one.requires_grad}
    if not trainable:
        raise InputError(f"{type(module).__name__} has no trainable parameter; expected at least one requires_grad")
    if not groups:
        return [Group("all", list(trainable.values()))]
    owner: dict[int, str] = {}
    for group in groups:
        _claim(group, owner)
    if left := [name for name, one in trainable.items() if id(one) not in owner]:
        raise InputError(
            f"parameter '{left[0]}' is trainable but in none of the groups {', '.join(one.name for one in groups)}; "
            "add it to one, or set requires_grad=False"
        )
    return list(groups)


def _claim(group: Group, owner: dict[int, str]) -> None:
    """Note the group of each parameter; raises InputError for one that has a group, and for an empty group."""
    if not group.parameters:
        raise InputError(f"parameter group '{group.name}' is empty; leave it out or give it parameters")
    for parameter in group.parameters:
        if id(parameter) in owner:
            raise InputError(f"a parameter is in the groups '{owner[id(parameter)]}' and '{group.name}'")
        owner[id(parameter)] = group.name


def optimiser_of(groups: Sequence[Group], options: LoopOptions) -> torch.optim.Optimizer:
    """AdamW, Adam or SGD over the groups; each remembers its full learning rate as ``initial``."""
    import torch

    rows: list[dict[str, Any]] = []
    for group in groups:
        rate = options.learning_rate if group.learning_rate is None else group.learning_rate
        decay = options.weight_decay if group.weight_decay is None else group.weight_decay
        rows.append({"params": list(group.parameters), "lr": rate, "weight_decay": decay, "initial": rate})
    if options.optimiser == "sgd":
        return torch.optim.SGD(rows, lr=options.learning_rate, momentum=options.momentum, fused=True)
    kind = torch.optim.AdamW if options.optimiser == "adamw" else torch.optim.Adam
    return kind(rows, lr=options.learning_rate, fused=True)


def set_rates(optimiser: torch.optim.Optimizer, share: float) -> None:
    """Give every group this share of its full learning rate."""
    for group in optimiser.param_groups:
        group["lr"] = group["initial"] * share


def schedule_share(options: LoopOptions, step: int, steps: int, *, history: Sequence[float] = ()) -> float:
    """Share of the learning rate at a step; a pure function, so that a resumed training needs no state of it.

    Warm-up rises linearly to 1 over the first ``options.warmup`` of all steps. After it "constant" stays, "linear" and
    "cosine" fall to ``options.floor``, "plateau" multiplies by 0.1 whenever ``options.plateau`` epochs have passed
    without a better figure.

    Args:
        options: schedule, warmup, floor, plateau.
        step: optimiser steps done.
        steps: optimiser steps of the training.
        history: the chosen figure after each epoch so far, larger is better ("plateau" alone reads it).

    Example:
        >>> from merc.training.options import LoopOptions
        >>> linear = LoopOptions(schedule="linear", warmup=0.1, floor=0.02)
        >>> [round(schedule_share(linear, step, 100), 2) for step in (0, 9, 55, 99)]
        [0.1, 1.0, 0.5, 0.02]
    """
    warm = int(options.warmup * steps + 1e-9)
    rise = min(1.0, (step + 1) / warm) if warm else 1.0
    left = (steps - step) / max(1, steps - warm)  # from 1 at the end of the warm-up to almost 0
    if options.schedule == "linear":
        return min(rise, max(options.floor, left))
    if options.schedule == "cosine":
        wave = 0.5 * (1 - math.cos(math.pi * min(1.0, left)))
        return min(rise, options.floor + (1 - options.floor) * wave)
    if options.schedule == "plateau":
        return min(rise, max(options.floor, plateau_share(history, options.plateau)))
    return rise


def plateau_share(history: Sequence[float], patience: int) -> float:
    """What torch's ``ReduceLROnPlateau(mode="max")`` has left of a learning rate after these figures."""
    share, best, bad = 1.0, -math.inf, 0
    for figure in history:
        if figure > best + PLATEAU_THRESHOLD * abs(best) if math.isfinite(best) else True:
            best, bad = figure, 0
        else:
            bad += 1
        if bad > patience:
            share, bad = share * PLATEAU_FACTOR, 0
    return share


class Average:
    """Polynomial-decay average of trained tensors over the steps (Shamir & Zhang 2013, eta = 8).

    After t steps the next one moves the average by (eta + 1) / (eta + t + 2) towards the current weights, so
    recent steps weigh most.

    Args:
        tensors: trained parameters by name; the average follows them.
    """

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        self.tensors = dict(tensors)
        self.mean = {name: tensor.detach().clone() for name, tensor in tensors.items()}
        self.steps = 0

    def update(self) -> None:
        """Take in the weights after a step of the optimiser."""
        import torch

        with torch.no_grad():
            for name, tensor in self.tensors.items():
                if self.steps == 0:
                    self.mean[name].copy_(tensor)
                else:
                    self.mean[name].lerp_(tensor, (ETA + 1) / (ETA + 2 + self.steps))
        self.steps += 1

    @contextmanager
    def applied(self) -> Iterator[None]:
        """The module holds the average inside the block, its own weights after it."""
        import torch

        own = {name: tensor.detach().clone() for name, tensor in self.tensors.items()}
        try:
            with torch.no_grad():
                for name, tensor in self.tensors.items():
                    tensor.copy_(self.mean[name])
            yield
        finally:
            with torch.no_grad():
                for name, tensor in self.tensors.items():
                    tensor.copy_(own[name])

    def state_dict(self) -> dict[str, Tensor]:
        """The average, and how many steps it has seen."""
        import torch

        return {**{f"mean/{name}": value for name, value in self.mean.items()}, "steps": torch.tensor(self.steps)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a stored average."""
        self.steps = int(state["steps"])
        for name, value in self.mean.items():
            value.copy_(state[f"mean/{name}"])
