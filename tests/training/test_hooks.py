from __future__ import annotations

import torch
from torch import nn

from merc.training.hooks import BaseHook, Hook
from merc.training.loop import Run, fit
from merc.training.options import LoopOptions
from tests.training.made_task import network, same, task


def test_a_hook_that_writes_nothing_changes_nothing() -> None:
    options = LoopOptions(epochs=2, metric="accuracy")
    plain, hooked = task(network()), task(network())
    fit(plain, options)
    hook: Hook = BaseHook()
    history = fit(hooked, options, Run(hooks=[hook])).history
    assert same(plain.module, hooked.module)
    assert set(history[0]) == {"training_loss", "accuracy", "loss"}
    assert hook.state_dict() == {}


def test_gradients_are_changed_before_they_are_clipped_and_weights_after_the_step() -> None:
    norms: list[float] = []

    class Enlarge(BaseHook):
        def before_step(self, module: nn.Module) -> None:
            for parameter in module.parameters():
                if parameter.grad is not None:
                    parameter.grad.mul_(1e6)

        def after_step(self, module: nn.Module, step: int) -> None:
            grads = [one.grad for one in module.parameters() if one.grad is not None]
            norms.append(float(torch.stack([one.square().sum() for one in grads]).sum().sqrt()))
            with torch.no_grad():
                module[4].bias.fill_(step)  # type: ignore[index,union-attr]

    made = task(network())
    fit(made, LoopOptions(epochs=1, metric=None), Run(hooks=[Enlarge()]))
    assert max(norms) <= 1.0001 and min(norms) > 0.999
    assert made.module[4].bias.tolist() == [12.0] * 3  # type: ignore[index,union-attr]
