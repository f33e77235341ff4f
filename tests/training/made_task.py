"""A task of the loop that trains in milliseconds: points in three classes, a network with dropout and layer norm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from merc.training.loop import Data, Plan, Task

CLASSES = 3


def points(count: int = 96, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points ``(n, 4)`` around the centre of their class ``(n,)``."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(CLASSES, (count,), generator=generator)
    centres = 2.5 * torch.eye(CLASSES, 4)
    return centres[labels] + torch.randn(count, 4, generator=generator), labels


class Points:
    """Data of the loop over points in memory; remembers the plans that it was asked to load."""

    def __init__(self, values: Tensor, labels: Tensor, size: int = 8) -> None:
        self.values, self.labels, self.size = values, labels, size
        self.loaded: list[Plan] = []

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        order = torch.randperm(len(self.labels), generator=generator, device="cpu").tolist()
        size = self.size * world
        return [Plan(tuple(order[start : start + size])) for start in range(0, len(order), size)]

    def load(self, plan: Plan) -> dict[str, Tensor]:
        self.loaded.append(plan)
        rows = torch.tensor(plan.items, device="cpu")
        return {"x": self.values[rows], "y": self.labels[rows]}


def network(*, dropout: float = 0.2, seed: int = 0) -> nn.Sequential:
    """Four values to the logits of three classes, with dropout and a layer norm."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(4, 16), nn.LayerNorm(16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, CLASSES))


def loss(module: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Cross-entropy of the batch."""
    return {"label": nn.functional.cross_entropy(module(batch["x"]), batch["y"])}


def judge(module: nn.Module) -> dict[str, float]:
    """Accuracy and loss on 60 other points."""
    values, labels = points(60, seed=1)
    device = next(module.parameters()).device
    with torch.inference_mode():
        logits = module(values.to(device)).cpu()
    return {
        "accuracy": float((logits.argmax(-1) == labels).float().mean()),
        "loss": float(nn.functional.cross_entropy(logits, labels)),
    }


def size(batch: Mapping[str, Tensor]) -> float:
    """Points of a batch."""
    return float(len(batch["y"]))


def task(module: nn.Module | None = None, *, data: Data | None = None, **changes: Any) -> Task:
    """The task of learning the points, with other fields where given."""
    made: dict[str, Any] = {"loss": loss, "judge": judge, "size": size, **changes}
    return Task(module or network(), data or Points(*points()), **made)


def same(one: nn.Module, other: nn.Module) -> bool:
    """Whether two modules hold the same bytes."""
    pairs = zip(one.state_dict().items(), other.state_dict().items(), strict=True)
    return all(a == b and torch.equal(x, y) for (a, x), (b, y) in pairs)
