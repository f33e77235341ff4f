"""What each process of ``tests/training/test_device.py`` runs under torchrun.

python -m torch.distributed.run --nproc-per-node 2 -m tests.training.distributed_task FOLDER [KILL_AT_STEP]
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, distributed, nn

from merc.training.device import processes
from merc.training.hooks import BaseHook
from merc.training.loop import Run, fit
from merc.training.options import LoopOptions
from tests.training.made_task import CLASSES, Points, loss, network, points, task

OPTIONS = LoopOptions(
    epochs=3, patience=3, learning_rate=1e-2, metric="accuracy", schedule="cosine", checkpoint_seconds=0.0, average=True
)


class KillAt(BaseHook):
    """Kills the second process after a step."""

    def __init__(self, step: int | None) -> None:
        self.step = step

    def after_step(self, module: nn.Module, step: int) -> None:
        if step == self.step and processes().rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)


class OwnFactor(BaseHook):
    """Multiplies gradients by the first label that this process saw, plus one; with dropout both differ by process."""

    def __init__(self) -> None:
        self.factor = torch.zeros(1)

    def losses(self, output: Any, batch: Any) -> Mapping[str, Tensor]:
        self.factor.fill_(float(batch["y"][0]) + 1)
        return {}

    def before_step(self, module: nn.Module) -> None:
        for parameter in module.parameters():
            if parameter.grad is not None:
                parameter.grad.mul_(self.factor)

    def state_dict(self) -> dict[str, Tensor]:
        return {"factor": self.factor}


class Unused(nn.Module):
    """A network with a parameter that no loss reaches, and one that only batches with class 0 reach."""

    def __init__(self) -> None:
        super().__init__()
        self.network = network(dropout=0.0)
        self.unused = nn.Parameter(torch.ones(3))
        self.sometimes = nn.Parameter(torch.ones(CLASSES))

    def forward(self, values: Tensor) -> Tensor:
        logits: Tensor = self.network(values)
        return logits


def sometimes(module: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The loss, with a further one over the points of class 0, as a mean over all points."""
    assert isinstance(module, Unused)
    zero = (batch["y"] == 0).float().mean()
    further = {"zero": zero * module.sometimes.square().sum()} if zero > 0 else {}
    return {**loss(module, batch), **further}


def train(folder: Path, *, size: int, kill_at: int | None = None) -> nn.Module:
    """Train on batches of a size, which torchrun multiplies by the processes; 21 points are no multiple of anything."""
    module = Unused()
    made = replace(task(module, data=Points(*points(21), size)), loss=sometimes)
    fit(made, OPTIONS, Run(folder=folder / "run", hooks=[KillAt(kill_at)]))
    return module


def threads_of_gloo() -> list[str]:
    """The threads of a process group by name; where they outlive it, they abort some processes at their end."""
    names = [one.read_text().strip() for one in Path("/proc/self/task").glob("*/comm")]
    return [name for name in names if "gloo" in name]


def main() -> None:
    """Train on batches of four per process; each process saves what it holds."""
    folder = Path(sys.argv[1])
    module = train(folder, size=4, kill_at=int(sys.argv[2]) if len(sys.argv) > 2 else None)
    save_file(module.state_dict(), folder / f"rank-{processes().rank}.safetensors")
    hooked = task(network(dropout=0.5))
    fit(hooked, OPTIONS, Run(hooks=[OwnFactor()]))
    save_file(hooked.module.state_dict(), folder / f"hooked-{processes().rank}.safetensors")
    distributed.destroy_process_group()
    assert not (left := threads_of_gloo()), left


if __name__ == "__main__":
    main()
