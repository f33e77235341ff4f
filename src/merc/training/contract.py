"""What the loop takes and gives: data, a task, what surrounds a run, and a finished training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from merc.training.optimiser import Group
from merc.training.options import HIGHER_IS_BETTER

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from merc.progress import Progress
    from merc.training.hooks import Hook
    from merc.training.tracking import Tracker

Losses = Mapping[str, "Tensor"]
"""Scalars by name; training minimises their sum."""


@dataclass(frozen=True, slots=True)
class Plan:
    """One batch before it is loaded.

    Args:
        items: Numbers of its items.
        source: Name of the corpus that they come from; empty where there is only one.

    Example:
        >>> Plan((0, 3), "meld").items
        (0, 3)
    """

    items: tuple[int, ...]
    source: str = ""


class Data(Protocol):
    """Training data that is read lazily, batch by batch.

    Example:
        >>> class Numbers:
        ...     def plan(self, epoch, generator, world=1):
        ...         return [Plan((0,)), Plan((1,))]
        ...     def load(self, plan):
        ...         return plan.items[0] / 2
        >>> data: Data = Numbers()
        >>> [data.load(plan) for plan in data.plan(1, None)]
        [0.0, 0.5]
    """

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> Sequence[Plan]:
        """Give the batches of an epoch, as item numbers only.

        Args:
            epoch: from 1.
            generator: the only source of random numbers; the same state gives the same plans.
            world: number of processes; a plan holds ``world`` times the batch size.

        Returns:
            One plan a batch, in the order in which they are trained on.
        """
        ...

    def load(self, plan: Plan) -> Any:
        """Give the batch itself.

        Args:
            plan: One of the plans.

        Returns:
            Something on the CPU with ``.to(device)``, or (nested) mappings or tuples of it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Computed:
    """What a loss may give.

    Args:
        losses: Of a batch, by name.
        output: What hooks may read; None: nothing.

    Example:
        >>> sorted(Computed({"label": 0.7, "contrast": 0.1}).losses)
        ['contrast', 'label']
    """

    losses: Losses
    output: Any = None


def _one(batch: Any) -> float:
    return 1.0


def _unjudged(module: nn.Module) -> Mapping[str, float]:
    return {}


@dataclass(frozen=True, slots=True)
class Task:
    """What is trained, on what, and how it is judged.

    Args:
        module: trained in place.
        data: the training data.
        loss: module (in training mode) and batch (on its device) to losses, or to ``Computed`` where hooks need the
            output. No loss at all: nothing can be learned from this batch.
        judge: module (in evaluation mode) to held-out figures by name, after each epoch; none for stages without
            labels, whose options have ``metric=None``.
        size: labelled units of a batch (on the CPU), by which the gradients of accumulated batches and of several
            processes are weighted.
        groups: parameter groups; none: all trainable parameters in one.
        facts: JSON; a checkpoint is continued only with equal facts.
        check_facts: called with the facts of a checkpoint and its folder, to refuse them with an error of its own.
        begin_epoch: called before an epoch (from 1), and again when a training resumes within it.
        augment: batch (on the CPU) and random numbers to the batch that is trained on.
        all_data_from: first epoch that sees all data; early stopping counts from it.

    Example:
        >>> from torch import nn
        >>> task = Task(nn.Linear(1, 1), data=None, loss=lambda module, batch: {"loss": module(batch).mean()})
        >>> task.judge(task.module), task.size(None)
        ({}, 1.0)
    """

    module: nn.Module
    data: Data
    loss: Callable[[nn.Module, Any], Losses | Computed]
    judge: Callable[[nn.Module], Mapping[str, float]] = _unjudged
    size: Callable[[Any], float] = _one
    groups: Sequence[Group] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    check_facts: Callable[[Mapping[str, Any], Path], None] | None = None
    begin_epoch: Callable[[nn.Module, int], None] | None = None
    augment: Callable[[Any, torch.Generator], Any] | None = None
    all_data_from: int = 1


@dataclass(frozen=True, slots=True)
class Run:
    """What surrounds a training.

    Args:
        folder: Of its checkpoints; None: none are written.
        tracker: Gets the figures of each epoch.
        progress: Called with a stage, the batches done and all batches.
        hooks: Look at outputs and gradients of each step.

    Example:
        >>> Run().folder is None
        True
    """

    folder: Path | None = None
    tracker: Tracker | None = None
    progress: Progress | None = None
    hooks: Sequence[Hook] = ()


@dataclass(slots=True)
class Fitted:
    """A finished training.

    Args:
        best: The epoch (from 1) whose weights were kept; 0: none.
        history: One row for each epoch: "training_loss", the held-out figures, and those of hooks.
        seconds: CPU seconds.

    Example:
        >>> Fitted(best=1, history=[{"training_loss": 0.9, "accuracy": 0.6}]).figures()
        {'accuracy': 0.6}
    """

    best: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        """What the kept epoch reached.

        Returns:
            Its held-out figures that have a direction (see ``HIGHER_IS_BETTER``).
        """
        row = self.history[self.best - 1]
        return {name: value for name, value in row.items() if name.split("/")[0] in HIGHER_IS_BETTER}
