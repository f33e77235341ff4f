"""The one training loop: AdamW, clipped gradients, early stopping on validation, states that a kill does not lose.

Plain torch on purpose: on one processor or one GPU nothing else is needed (see docs/decisions).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import STATISTICS, confusion
from merc.evaluation.selection import Best, Epoch, select
from merc.features.feature import Origins, refuse_others
from merc.nn.memory import keep_freed_memory
from merc.progress import Progress
from merc.training import checkpoint
from merc.training.data import Item, batches, with_modalities_dropped

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from merc.systems import Batch, System
    from merc.training.hooks import Hook
    from merc.training.options import TrainOptions
    from merc.training.tracking import Tracker

Choice = Callable[[int], Sequence[Item]]


@dataclass(frozen=True, slots=True)
class Task:
    """What is learned from what: training and validation items, and the names of the classes.

    ``features`` says by modality where the features come from: a state goes on with the same ones only.
    """

    train: Sequence[Item]
    valid: Sequence[Item]
    classes: tuple[str, ...]
    features: Origins = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Around:
    """What stands around a training: where its states lie, who is told, what is changed.

    ``curriculum`` gives the items of an epoch (from 1) and ``after_epoch`` may look at the system after each one and
    return figures for the record; neither decides which epoch is kept.
    """

    folder: Path | None = None
    tracker: Tracker | None = None
    progress: Progress | None = None
    hooks: Sequence[Hook] = ()
    curriculum: Choice | None = None
    after_epoch: Callable[[System], Mapping[str, float]] | None = None


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a system says of utterances: ``logits (n, C)`` float32; class numbers ``(n,)``, -1 where not known."""

    ids: tuple[str, ...]
    logits: np.ndarray
    labels: np.ndarray

    def figures(self) -> dict[str, float]:
        """Accuracy, macro and weighted F1, unweighted recall; raises InputError where a label is not known."""
        matrix = confusion(self.labels, self.logits.argmax(1), classes=self.logits.shape[1])
        return {name: statistic(matrix) for name, statistic in STATISTICS.items()}


@dataclass(slots=True)
class Fitted:
    """A finished training: the system holds the weights of ``best``, the epoch (from 1) that validation chose."""

    best: int = 0
    history: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0

    def figures(self) -> dict[str, float]:
        """The validation figures of the chosen epoch."""
        return {name: value for name, value in self.history[self.best - 1].items() if name in STATISTICS}


def class_weights(setting: bool | Mapping[str, float], items: Sequence[Item], classes: Sequence[str]) -> Tensor | None:
    """Weights of the classes in the loss, by name: given, or ``total / (C * count)`` from the training items.

    Raises InputError for a class without a training utterance, and for names that are not those of the classes.
    """
    import torch

    numbers = torch.cat([item.labels[item.labels >= 0] for item in items])
    counts = torch.bincount(numbers, minlength=len(classes))
    if missing := [name for name, count in zip(classes, counts.tolist(), strict=True) if count == 0]:
        raise InputError(
            f"no training utterance of class {', '.join(missing)}; choose a protocol or label set without it"
        )
    if isinstance(setting, Mapping):
        if set(setting) != set(classes):
            raise InputError(f"class weights for {', '.join(sorted(setting))}; expected {', '.join(classes)}")
        return torch.tensor([float(setting[name]) for name in classes])
    return counts.sum() / (len(classes) * counts) if setting else None


def predict(
    system: System, read: Sequence[Batch], *, ids: Collection[str] | None = None, device: str = "cpu"
) -> Predicted:
    """Logits of the utterances with these ids, by default of all that have a label, in the order of the batches.

    The system is left in evaluation mode.
    """
    import torch

    system.eval()
    logits, labels = [], []
    names: list[str] = []
    with torch.inference_mode():
        for batch in read:
            asked = batch.labelled if ids is None else _asked(batch, ids)
            logits.append(system(batch.to(device)).logits.cpu()[asked])
            labels.append(batch.labels[asked])
            names += [batch.ids[row][turn] for row, turn in asked.nonzero().tolist()]
    return Predicted(tuple(names), torch.cat(logits).float().numpy(), torch.cat(labels).numpy())


def _asked(batch: Batch, ids: Collection[str]) -> Tensor:
    """True where an utterance is among the ids: bool ``(B, T)``."""
    import torch

    asked = torch.zeros_like(batch.mask)
    for row, names in enumerate(batch.ids):
        for turn, name in enumerate(names):
            asked[row, turn] = name in ids
    return asked


@contextmanager
def seeded(seed: int, *, threads: int) -> Iterator[None]:
    """Torch's own random numbers and threads inside the block; both are as before afterwards."""
    import torch

    before = torch.get_num_threads()
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        torch.set_num_threads(threads)
        try:
            yield
        finally:
            torch.set_num_threads(before)


def chosen_device(name: str) -> str:
    """The device of a name; "auto" takes a GPU where there is one. Raises InputError for one that is not here."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda", "mps") or (name == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"device '{name}' is not here; expected auto, cpu, or a GPU that torch can see")
    return name


def fit(system: System, task: Task, *, options: TrainOptions, around: Around | None = None) -> Fitted:
    """Train a system in place and leave the weights of its best validation epoch in it.

    With a folder, a training that was killed goes on from its last state and ends with the same weights. Raises
    InputError for a class that is missing in training, WeightError for a damaged state.
    """
    keep_freed_memory()
    with seeded(options.seed, threads=options.threads):
        return _Loop(system, task, options, around or Around()).run()


def _averaged(system: System) -> Any:
    """A copy of a system that follows it: the mean of its weights, mostly over the latest ninth of the steps so far."""
    import torch
    from torch.optim.swa_utils import AveragedModel

    return AveragedModel(system, avg_fn=lambda mean, now, steps: torch.lerp(mean, now, 9 / (10 + steps)))


class _Loop:
    """The state of one training: system, optimiser, random numbers, history, the best weights so far."""

    def __init__(self, system: System, task: Task, options: TrainOptions, around: Around) -> None:
        import torch

        self.device = chosen_device(options.device)
        self.system, self.task, self.options, self.around = system.to(self.device), task, options, around
        weights = class_weights(options.class_weights, task.train, task.classes)
        system.label_loss.configure(
            class_weights=None if weights is None else weights.to(self.device), smoothing=options.smoothing
        )
        self.parameters = [parameter for parameter in system.parameters() if parameter.requires_grad]
        extra = [parameter for hook in around.hooks for parameter in hook.start(system)]
        self.optimiser = torch.optim.AdamW(
            [{"params": self.parameters}, {"params": extra}] if extra else self.parameters,
            lr=options.learning_rate,
            weight_decay=options.weight_decay,
            fused=True,
        )
        self.mean = _averaged(self.system) if options.average else None
        self.generator = torch.Generator().manual_seed(options.seed)
        self.valid = list(batches(task.valid, options.batch))
        self.fitted = Fitted()
        self.kept: dict[str, Tensor] = {}
        self.written = time.monotonic()

    @property
    def judged(self) -> System:
        """What is validated and kept: the system, or the running mean of its weights."""
        return self.mean.module if self.mean else self.system

    def run(self) -> Fitted:
        self._resume()
        while not self._finished():
            epoch = len(self.fitted.history) + 1
            began = time.process_time()
            loss = self._epoch(epoch)
            figures = predict(self.judged, self.valid, device=self.device).figures()
            extra = self.around.after_epoch(self.judged) if self.around.after_epoch else {}
            for hook in self.around.hooks:
                extra = {**extra, **hook.epoch()}
            self._keep({"loss": loss, **figures, **extra})
            self.fitted.seconds += time.process_time() - began
            self._tell(epoch)
            self._store(finished=self._finished())
        self.system.load_state_dict(self.kept)
        self.system.eval()
        return self.fitted

    def _epoch(self, epoch: int) -> float:
        """One pass over the training items; the mean loss."""
        items = self.around.curriculum(epoch) if self.around.curriculum else self.task.train
        total = steps = 0.0
        self.system.train()
        for batch in batches(items, self.options.batch, generator=self.generator):
            total, steps = total + self._step(batch), steps + 1
        return total / max(steps, 1.0)

    def _step(self, batch: Batch) -> float:
        import torch

        batch = with_modalities_dropped(batch, self.options.modality_dropout, generator=self.generator)
        batch = batch.to(self.device)
        if not bool(batch.labelled.any()):
            return 0.0
        output = self.system(batch)
        further = [value for hook in self.around.hooks for value in hook.losses(output, batch).values()]
        loss = torch.stack([output.loss, *further]).sum()
        if not bool(torch.isfinite(loss)):
            raise InputError(
                f"the loss became {float(loss.detach())}; lower the learning rate or look for extreme values"
            )
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for hook in self.around.hooks:
            hook.gradients(self.system)
        torch.nn.utils.clip_grad_norm_(self.parameters, self.options.clip)
        self.optimiser.step()
        if self.mean:
            self.mean.update_parameters(self.system)
        return float(loss.detach())

    def _keep(self, figures: dict[str, float]) -> None:
        self.fitted.history.append(figures)
        epochs = [Epoch(number, one) for number, one in enumerate(self.fitted.history, 1)]
        self.fitted.best = 1 + select(epochs, by=Best(self.options.metric))
        if self.fitted.best == len(epochs):
            self.kept = {name: value.detach().clone() for name, value in self.judged.state_dict().items()}

    def _finished(self) -> bool:
        done = len(self.fitted.history)
        return done >= self.options.epochs or (done > 0 and done - self.fitted.best >= self.options.patience)

    def _tell(self, epoch: int) -> None:
        if self.around.tracker:
            self.around.tracker.log(epoch, self.fitted.history[-1])
        if self.around.progress:
            self.around.progress("training", self.options.epochs if self._finished() else epoch, self.options.epochs)

    def _store(self, *, finished: bool) -> None:
        if self.around.folder is None:
            return
        if not finished and time.monotonic() - self.written < self.options.checkpoint_seconds:
            return
        import torch

        tensors = checkpoint.prefixed("system", self.system.state_dict()) | checkpoint.prefixed("kept", self.kept)
        for number, state in self.optimiser.state_dict()["state"].items():
            tensors |= checkpoint.prefixed(f"optimiser/{number}", state)
        if self.mean:
            tensors |= checkpoint.prefixed("mean", self.mean.state_dict())
        for number, hook in enumerate(self.around.hooks):
            tensors |= checkpoint.prefixed(f"hook/{number}", hook.state_dict())
        tensors |= {"random/torch": torch.get_rng_state(), "random/order": self.generator.get_state()}
        if self.device == "cuda":
            tensors["random/cuda"] = torch.cuda.get_rng_state()
        facts: dict[str, Any] = {"options": self.options.as_json(), "classes": list(self.task.classes)}
        facts["features"] = dict(self.task.features)
        facts |= {"history": self.fitted.history, "best": self.fitted.best, "seconds": self.fitted.seconds}
        checkpoint.write(self.around.folder, "state", tensors=tensors, facts=facts)
        self.written = time.monotonic()

    def _resume(self) -> None:
        folder = self.around.folder
        if folder is None or not (folder / "state.json").exists():
            return
        needs = ("options", "classes", "history", "best", "seconds")
        tensors, facts = checkpoint.read(folder, "state", needs=needs)
        if facts["options"] != self.options.as_json() or facts["classes"] != list(self.task.classes):
            raise InputError(f"{folder} holds a training with other options or classes; choose another folder")
        refuse_others(self.task.features, facts.get("features", self.task.features), where=folder)
        self.fitted = Fitted(facts["best"], facts["history"], facts["seconds"])
        self.kept = checkpoint.under("kept", tensors)
        checkpoint.restore(self.system, checkpoint.under("system", tensors), source=folder)
        if self.mean:
            checkpoint.restore(self.mean, checkpoint.under("mean", tensors), source=folder)
        self._resume_optimiser(tensors)
        for number, hook in enumerate(self.around.hooks):
            hook.load_state_dict(checkpoint.under(f"hook/{number}", tensors))
        self._resume_random(tensors)

    def _resume_optimiser(self, tensors: Mapping[str, Tensor]) -> None:
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in checkpoint.under("optimiser", tensors).items():
            number, key = name.split("/", 1)
            state.setdefault(int(number), {})[key] = value
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})

    def _resume_random(self, tensors: Mapping[str, Tensor]) -> None:
        import torch

        torch.set_rng_state(tensors["random/torch"])
        self.generator.set_state(tensors["random/order"])
        if "random/cuda" in tensors and self.device == "cuda":
            torch.cuda.set_rng_state(tensors["random/cuda"])
