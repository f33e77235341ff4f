"""A teacher whose weights are the exponential moving average of a student's: θ_T ← τ θ_T + (1 - τ) θ_S."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import torch
from torch import Tensor, nn

from merc.options import at_least, share


def annealed_decay(update: int, *, start: float, end: float, updates: int) -> float:
    """τ of an update (from 0): from ``start`` linearly to ``end`` over ``updates`` of them, then constant.

    Example:
        >>> [round(annealed_decay(k, start=0.9, end=1.0, updates=4), 3) for k in (0, 2, 4, 9)]
        [0.9, 0.95, 1.0, 1.0]
    """
    if update >= updates:
        return end
    return start + (end - start) * update / updates


class EmaTeacher:
    """A frozen copy of a network that follows it.

    Args:
        student: Copied with its device; its buffers are taken over at each update.
        start: Decay τ of the first update.
        end: Decay after ``updates`` of them.
        updates: Over which the decay is annealed.

    Raises:
        InputError: A decay outside [0, 1], updates below 1.

    Example:
        >>> student = nn.Linear(1, 1)
        >>> teacher = EmaTeacher(student, start=0.5, end=0.5, updates=1)
        >>> before = teacher.network.weight.item()
        >>> _ = student.weight.data.add_(1)
        >>> teacher.update(student)
        >>> round(teacher.network.weight.item() - before, 4)
        0.5
    """

    def __init__(self, student: nn.Module, *, start: float, end: float, updates: int) -> None:
        share(start=start, end=end)
        at_least(1, updates=updates)
        self.network = deepcopy(student).requires_grad_(False).eval()
        self.start, self.end, self.annealed = start, end, updates
        self.done = torch.zeros((), dtype=torch.int64)

    @property
    def decay(self) -> float:
        """τ of the next update."""
        return annealed_decay(int(self.done), start=self.start, end=self.end, updates=self.annealed)

    @torch.no_grad()
    def update(self, student: nn.Module) -> None:
        """Move the weights towards those of the student."""
        decay, own = self.decay, dict(self.network.named_parameters())
        for name, weight in student.named_parameters():
            own[name].mul_(decay).add_(weight, alpha=1 - decay)
        buffers = dict(self.network.named_buffers())
        for name, value in student.named_buffers():
            buffers[name].copy_(value)
        self.done += 1

    def state_dict(self) -> dict[str, Tensor]:
        """The weights, and how many updates were done; the tensors are the teacher's own."""
        return {**{f"network/{name}": one for name, one in self.network.state_dict().items()}, "updates": self.done}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Resume from a stored state."""
        for name, value in self.state_dict().items():
            value.copy_(state[name])
