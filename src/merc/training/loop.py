"""The training loop, the only one of the package.

    Task         the module, its data, its loss, and how it is judged
    LoopOptions  rates, schedule, epochs, precision, device (``merc.training.options``)
    Run          folder of checkpoints, tracker, progress, hooks

A step takes one batch, or ``accumulate`` of them, whose gradients are weighted by the labelled units behind them; with
several processes (torchrun) each takes its share of every batch. A training that is killed at any step resumes from its
last checkpoint and ends with the same bytes. Plain torch on purpose (see docs/decisions).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from merc.errors import InputError
from merc.evaluation.selection import Best, Epoch, select
from merc.nn.memory import keep_freed_memory
from merc.training import checkpoint, optimiser
from merc.training.contract import Computed, Data, Fitted, Losses, Plan, Run, Task
from merc.training.device import chosen_device, made_on_cpu, moved, processes, seeded
from merc.training.optimiser import Group
from merc.training.options import higher_is_better

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from merc.training.options import LoopOptions

__all__ = ["Computed", "Data", "Fitted", "Group", "Losses", "Plan", "Run", "Task", "fit"]

_REPORT_SECONDS = 0.5


def fit(task: Task, options: LoopOptions, run: Run | None = None) -> Fitted:
    """Train a module in place and leave the weights of its best epoch in it, in evaluation mode.

    Args:
        task: what is trained, on what, and how it is judged.
        options: how.
        run: with a folder, an interrupted training resumes from its last checkpoint and ends with the same bytes.

    Returns:
        The kept epoch and the history.

    Raises:
        InputError: when the loss is not finite, a parameter is in no group, the metric is not among the held-out
            figures, or the folder holds a training with other options or facts.
        WeightError: for a damaged checkpoint.

    Example:
        >>> import torch
        >>> from merc.training.loop import Plan, Task, fit
        >>> from merc.training.options import LoopOptions
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> class Points:
        ...     def plan(self, epoch, generator, world=1):
        ...         order = torch.randperm(len(x), generator=generator).tolist()
        ...         size = 16 * world
        ...         return [Plan(tuple(order[start : start + size])) for start in range(0, len(order), size)]
        ...     def load(self, plan):
        ...         return x[list(plan.items)]
        >>> def error(module, batch):
        ...     return {"square": (module(batch) - 3 * batch).square().mean()}
        >>> line = torch.nn.Linear(1, 1)
        >>> task = Task(line, Points(), error, judge=lambda module: {"mse": error(module, x)["square"].item()})
        >>> fitted = fit(task, LoopOptions(metric="mse", epochs=40, learning_rate=0.1))
        >>> fitted.figures()["mse"] < 0.01
        True
    """
    keep_freed_memory()
    with seeded(options.seed, threads=options.threads):
        return _Loop(task, options, run or Run()).fit()


@dataclass(slots=True)
class _Position:
    """How far an epoch is: batches and steps done, the sum of their losses, CPU seconds."""

    batches: int = 0
    steps: int = 0
    loss: float = 0.0
    counted: int = 0
    seconds: float = 0.0


class _Loop:
    """The state of one training: module, optimiser, random numbers, history, the best weights so far."""

    def __init__(self, task: Task, options: LoopOptions, run: Run) -> None:
        import torch

        self.task, self.options, self.run = task, options, run
        self.device = chosen_device(options.device)
        self.processes = processes()
        self.processes.join(self.device)
        self.module = task.module.to(self.device)
        groups = optimiser.groups_of(self.module, task.groups)
        self.trained = [parameter for group in groups for parameter in group.parameters]
        extra = [parameter for hook in run.hooks for parameter in hook.start(self.module)]
        self.optimiser = optimiser.optimiser_of([*groups, *([Group("hooks", extra)] if extra else [])], options)
        self.stepped = [*self.trained, *extra]
        self.frozen = _others(self.module, self.trained)
        named = {name: one for name, one in self.module.named_parameters() if name not in self.frozen}
        self.average = optimiser.Average(named) if options.average else None
        self.order = torch.Generator().manual_seed(options.seed)
        self.began = self.order.get_state()  # of the order, when the epoch began
        self.at = _Position()
        self.steps = 0  # of the optimiser, since the first epoch
        self.fitted = Fitted()
        self.kept: dict[str, Tensor] = {}
        self.written = self.reported = time.monotonic()
        self.pause = options.checkpoint_seconds
        self.processes.copy_from_first([*self.stepped, *self.module.buffers()])

    def fit(self) -> Fitted:
        resumed = self._resume()
        while not self._finished():
            began = time.process_time() - self.at.seconds
            self._epoch(resumed=resumed, began=began)
            resumed = False
            self._judge()
            self.fitted.seconds += time.process_time() - began
            self.at, self.began = _Position(), self.order.get_state()
            self._tell()
            if self._finished():
                self._write()
            else:
                self._write_if_due()
        checkpoint.restore(self.module, self.kept, source="the best epoch", frozen=self.frozen)
        self.module.eval()
        return self.fitted

    @property
    def epoch(self) -> int:
        """The epoch that is under way, from 1."""
        return len(self.fitted.history) + 1

    def _epoch(self, *, resumed: bool, began: float) -> None:
        """One pass over the data, or the rest of it."""
        if self.task.begin_epoch and not resumed:
            self.task.begin_epoch(self.module, self.epoch)
        now = self.order.get_state()
        self.order.set_state(self.began)
        with made_on_cpu():
            plans = self.task.data.plan(self.epoch, self.order, self.processes.count)
        if self.at.batches:
            self.order.set_state(now)
        self.module.train()
        size = self.options.accumulate
        total = -(-len(plans) // size)
        while self.at.batches < len(plans):
            chunk = plans[self.at.batches : self.at.batches + size]
            self._set_rates(total)
            loss = self._step(chunk)
            self.at.batches += len(chunk)
            self.at.steps += 1
            if loss is not None:
                self.at.loss, self.at.counted = self.at.loss + loss, self.at.counted + 1
            self.at.seconds = time.process_time() - began
            self._report(self.at.batches / len(plans))
            if self.at.batches < len(plans):
                self._write_if_due()

    def _set_rates(self, total: int) -> None:
        """Learning rates of a step, by how far the training is: ``total`` steps make up this epoch."""
        metric = self.options.metric
        sign = 1 if metric is None or higher_is_better(metric) else -1
        history = [sign * row[metric] for row in self.fitted.history] if metric else []
        step, steps = (self.epoch - 1) * total + self.at.steps, self.options.epochs * total
        share = optimiser.schedule_share(self.options, step, steps, history=history)
        optimiser.set_rates(self.optimiser, share)

    def _step(self, plans: Sequence[Plan]) -> float | None:
        """One step of the optimiser over one or more batches; its mean loss, None where there was nothing to learn."""
        self.optimiser.zero_grad(set_to_none=True)
        alone = len(plans) == 1 and self.processes.count == 1
        sums = [0.0, 0.0, 0.0]  # batches with a loss, losses times sizes, sizes
        for plan in plans:
            if found := self._backward(plan, weighted=not alone):
                sums = [one + other for one, other in zip(sums, (1.0, *found), strict=True)]
        batches, loss, size = self.processes.sum_gradients(self.stepped, sums)
        if not batches:
            return None
        if not alone:
            self._divide_gradients(size)
        self._update()
        return loss / size

    def _update(self) -> None:
        """Change the weights by the gradients that are there."""
        import torch

        self.steps += 1
        for hook in self.run.hooks:
            self.processes.copy_from_first(list(hook.state_dict().values()))
            hook.before_step(self.module)
        if self.options.clip is not None:
            torch.nn.utils.clip_grad_norm_(self.trained, self.options.clip)
        self.optimiser.step()
        if self.average:
            self.average.update()
        for hook in self.run.hooks:
            hook.after_step(self.module, self.steps)

    def _backward(self, plan: Plan, *, weighted: bool) -> tuple[float, float] | None:
        """Add the gradients of a batch; its loss times its size, and its size. None where there is nothing to learn."""
        batch, size = self._batch(plan)
        if batch is None:
            return None
        with self._autocast():
            found = self.task.loss(self.module, batch)
            found = found if isinstance(found, Computed) else Computed(found)
            if not found.losses:
                return None
            further = [one for hook in self.run.hooks for one in hook.losses(found.output, batch).values()]
        if weighted and size <= 0:
            return None
        loss = _sum([*found.losses.values(), *further])
        value = float(loss.detach())
        if value - value != 0:  # infinite or NaN
            raise InputError(f"the loss became {value}; lower the learning rate or look for extreme values")
        if not weighted:
            loss.backward()  # type: ignore[no-untyped-call]
            return value, 1.0
        (loss * size).backward()  # type: ignore[no-untyped-call]
        return value * size, size

    def _batch(self, plan: Plan) -> tuple[Any, float]:
        """This process's share of a batch on the device, and its size; None where it has no share."""
        rank, count = self.processes.rank, self.processes.count
        random = self.order
        if count > 1:  # each process has random numbers of its own, which follow from the seed and the step alone
            random = self._own_random()
            plan = Plan(plan.items[rank::count], plan.source)
            if not plan.items:
                return None, 0.0
        with made_on_cpu():
            batch = self.task.data.load(plan)
            if self.task.augment:
                batch = self.task.augment(batch, random)
            size = float(self.task.size(batch))
        return moved(batch, self.device), size

    def _own_random(self) -> torch.Generator:
        import numpy as np
        import torch

        words = [self.options.seed, self.epoch, self.at.batches, self.processes.rank]
        seed = int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]) >> 1
        torch.manual_seed(seed)
        return torch.Generator().manual_seed(seed)

    def _divide_gradients(self, size: float) -> None:
        import torch

        gradients = [one.grad for one in self.stepped if one.grad is not None]
        torch._foreach_div_(gradients, size)

    def _autocast(self) -> AbstractContextManager[Any]:
        import torch

        if self.options.precision == "float32":
            return nullcontext()
        return torch.autocast(self.device.split(":")[0], torch.bfloat16)

    def _judge(self) -> None:
        """Judge the module, or the average of its weights, and keep it where it is the best so far."""
        self.processes.copy_from_first(list(self.module.buffers()))
        with self.average.applied() if self.average else nullcontext():
            self.module.eval()
            figures = dict(self.processes.shared(lambda: self.task.judge(self.module)))
            for hook in self.run.hooks:
                figures |= hook.epoch()
            loss = self.at.loss / max(self.at.counted, 1)
            self.fitted.history.append({"training_loss": loss, **figures})
            self.fitted.best = self._best()
            if self.fitted.best == len(self.fitted.history):
                self.kept = {name: value.detach().clone() for name, value in self._tensors().items()}

    def _best(self) -> int:
        epochs = [Epoch(number, row) for number, row in enumerate(self.fitted.history, 1)]
        if self.options.metric is None:
            return len(epochs)
        lowest = not higher_is_better(self.options.metric)
        return 1 + select(epochs, by=Best(self.options.metric, lowest=lowest))

    def _finished(self) -> bool:
        done = len(self.fitted.history)
        if done >= self.options.epochs or not done:
            return done >= self.options.epochs
        return done - max(self.fitted.best, self.task.all_data_from - 1) >= self.options.patience

    def _tell(self) -> None:
        if self.run.tracker and self.processes.first:
            self.run.tracker.log(len(self.fitted.history), self.fitted.history[-1])
        for hook in self.run.hooks:
            hook.after_epoch(len(self.fitted.history), self.fitted.history[-1])
        self.reported = 0.0
        self._report(0.0)

    def _report(self, part: float) -> None:
        """Report progress in epochs, of which a part is done, not more often than is of use."""
        if self.run.progress and self.processes.first and time.monotonic() - self.reported > _REPORT_SECONDS:
            total = self.options.epochs
            done = total if self._finished() else len(self.fitted.history) + part
            self.run.progress("training", done, total)
            self.reported = time.monotonic()

    def _tensors(self) -> dict[str, Tensor]:
        """Trained parameters and buffers of the module by name."""
        return {name: value for name, value in self.module.state_dict().items() if name not in self.frozen}

    def _write_if_due(self) -> None:
        if time.monotonic() - self.written >= self.pause:
            self._write()

    def _write(self) -> None:
        if self.run.folder is None:
            return
        began = time.monotonic()
        tensors = checkpoint.prefixed("module", self._tensors()) | checkpoint.prefixed("kept", self.kept)
        tensors |= checkpoint.optimiser_tensors(self.optimiser) | checkpoint.random_tensors(self.device)
        tensors |= {"random/order": self.order.get_state(), "random/epoch": self.began}
        if self.average:
            tensors |= checkpoint.prefixed("average", self.average.state_dict())
        for number, hook in enumerate(self.run.hooks):
            tensors |= checkpoint.prefixed(f"hook/{number}", hook.state_dict())
        facts = {**self._facts(), "history": self.fitted.history, "best": self.fitted.best}
        facts |= {"seconds": self.fitted.seconds, "steps": self.steps, "at": asdict(self.at)}
        checkpoint.write(self.run.folder, "state", tensors=tensors, facts=facts)
        self.written = time.monotonic()
        if self.options.checkpoint_seconds:  # of a large module: writing takes at most a twentieth of the time
            self.pause = max(self.options.checkpoint_seconds, 20 * (self.written - began))

    def _facts(self) -> dict[str, Any]:
        """What a resumed training must share with the one before."""
        options = self.options.as_json()
        del options["checkpoint_seconds"]
        return {"options": options, "facts": dict(self.task.facts), "processes": self.processes.count}

    def _resume(self) -> bool:
        """Take up the last checkpoint; whether it lies within an epoch."""
        folder = self.run.folder
        if folder is None or not (folder / "state.json").exists():
            return False
        needs = ("options", "facts", "processes", "history", "best", "seconds", "steps", "at")
        tensors, facts = checkpoint.read(folder, "state", needs=needs)
        if self.task.check_facts:
            self.task.check_facts(facts["facts"], folder)
        checkpoint.refuse_difference(self._facts(), facts, folder=folder)
        self.fitted = Fitted(facts["best"], facts["history"], facts["seconds"])
        self.at, self.steps = _Position(**facts["at"]), facts["steps"]
        if self.task.begin_epoch and self.at.batches:
            self.task.begin_epoch(self.module, self.epoch)
        self.kept = checkpoint.under("kept", tensors)
        checkpoint.restore(self.module, checkpoint.under("module", tensors), source=folder, frozen=self.frozen)
        checkpoint.restore_optimiser(self.optimiser, tensors)
        if self.average:
            self.average.load_state_dict(checkpoint.under("average", tensors))
        for number, hook in enumerate(self.run.hooks):
            hook.load_state_dict(checkpoint.under(f"hook/{number}", tensors))
        self.began = tensors["random/epoch"]
        self.order.set_state(tensors["random/order"])
        checkpoint.restore_random(tensors, self.device)
        return self.at.batches > 0


def _others(module: nn.Module, trained: Sequence[nn.Parameter]) -> frozenset[str]:
    """Names of the parameters of a module that are not trained."""
    mine = {id(parameter) for parameter in trained}
    named = module.named_parameters(remove_duplicate=False)
    return frozenset(name for name, parameter in named if id(parameter) not in mine)


def _sum(losses: Sequence[Tensor]) -> Tensor:
    import torch

    return torch.stack(list(losses)).sum()
