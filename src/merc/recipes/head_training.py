"""One head: two hidden layers on frozen vectors, stopped early by validation macro F1; or ridge regression.

Symbols: n items, d the width of the vectors, 7 classes. The network is linear, batch normalisation, ReLU, dropout,
twice, then linear (Wang & Beigi 2025). Inputs are standardised by the training part, since encoders differ in scale;
this and the batch normalisation are folded into the linear layers afterwards.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import confusion, macro_f1
from merc.heads.mlp import CLASSES, LinearHead, Mlp, Weights, rounded
from merc.options import above, at_least, below_one, share
from merc.training.contract import Plan, Run, Task
from merc.training.device import seeded
from merc.training.loop import fit
from merc.training.options import LoopOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_EPSILON = 1e-5  # of batch normalisation
_OF_NETWORK = ("hidden", "dropout", "balance", "smoothing", "standardise", "batch")
PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
"""Of ridge regression: multiples of the mean square of the features; validation chooses."""


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """Options of the training of a head; raises InputError for a value that cannot be used."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """One training each; the one with the best validation macro F1 is kept, all are reported."""
    split_seed: int = 0
    """Decides which texts and which faces of the training part are held out."""
    train_cap: int = 6200
    """Most training texts of a class: what the paper took of each emotion."""
    held_cap: int = 600
    """Most validation and most test texts of a class: half-widths of the intervals stay below 4 points."""
    semeval_threshold: float = 0.5
    """Intensity from which a tweet of EI-reg counts for its emotion: the middle of the scale."""
    hidden: tuple[int, ...] = (256, 128)
    """Widths of the two hidden layers, as in the paper; the second is the emotion vector."""
    dropout: float = 0.3
    """After each hidden layer, as in the paper."""
    learning_rate: float = 1e-3
    """Of Adam, as in the paper."""
    weight_decay: float = 1e-5
    """As in the paper."""
    balance: float = 0.5
    """Power of the inverse class frequency in the loss: 0 leaves classes as they are, 1 makes them equal."""
    smoothing: float = 0.0
    """Label smoothing of the loss."""
    standardise: bool = True
    """Bring each column of the vectors to mean 0 and standard deviation 1 in the training part."""
    batch: int = 128
    """The paper has 32; 128 takes a quarter of the steps."""
    epochs: int = 100
    """At most, as in the paper."""
    patience: int = 10
    """Epochs without a better validation macro F1 before training stops, as in the paper."""
    plateau: int = 5
    """Epochs without a better validation macro F1 before the learning rate is divided by 10, as in the paper."""
    resamples: int = 1000
    """Bootstrap samples behind each 95 % interval."""
    threads: int = 1
    """CPU threads for torch; more is slower where others use the machine."""
    device: str = "cpu"
    """Of encoder and training; a head is too small to be faster on a GPU."""
    checkpoint_seconds: float = 20.0
    """Least seconds between two checkpoints."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds {self.seeds}: expected at least one, each once")
        at_least(1, train_cap=self.train_cap, held_cap=self.held_cap, batch=self.batch, epochs=self.epochs)
        at_least(1, patience=self.patience, plateau=self.plateau, resamples=self.resamples, threads=self.threads)
        if len(self.hidden) != 2 or min(self.hidden) < 1:
            raise InputError(f"hidden {self.hidden}: expected two widths of at least 1")
        share(balance=self.balance, semeval_threshold=self.semeval_threshold)
        below_one(dropout=self.dropout, smoothing=self.smoothing)
        above(0, learning_rate=self.learning_rate)
        at_least(0, weight_decay=self.weight_decay)

    def loop(self, seed: int) -> LoopOptions:
        """The options of the loop for one seed."""
        return LoopOptions(
            seed=seed,
            learning_rate=self.learning_rate,
            weight_decay=self.weight_decay,
            epochs=self.epochs,
            patience=self.patience,
            clip=None,
            metric="macro_f1",
            optimiser="adam",
            schedule="plateau",
            plateau=self.plateau,
            threads=self.threads,
            device=self.device,
            checkpoint_seconds=self.checkpoint_seconds,
        )

    @property
    def shown(self) -> dict[str, Any]:
        """The options that a card lists: not where it ran and how often it was saved, which change nothing."""
        return {name: value for name, value in asdict(self).items() if name not in ("device", "checkpoint_seconds")}


@dataclass(frozen=True, slots=True)
class Examples:
    """Vectors ``(n, d)`` float32 and the numbers of their classes in EKMAN7 ``(n,)``."""

    vectors: np.ndarray
    classes: np.ndarray

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.classes.shape != self.vectors.shape[:1]:
            raise InputError(
                f"vectors of shape {self.vectors.shape} classes {self.classes.shape}: expected (n, d), (n,)"
            )

    def at(self, positions: Sequence[int] | np.ndarray) -> Examples:
        """The examples at some positions."""
        return Examples(self.vectors[positions], self.classes[positions])

    @property
    def sha256(self) -> str:
        """Hash of vectors and classes."""
        digest = hashlib.sha256(np.ascontiguousarray(self.vectors).data)
        digest.update(np.ascontiguousarray(self.classes).data)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True)
class Trained:
    """A finished training: the head of its best epoch (from 1), all epochs, the validation macro F1."""

    seed: int
    head: Mlp | LinearHead
    epoch: int
    epochs: int
    validation_macro_f1: float


def train(
    training: Examples, validation: Examples, options: HeadOptions, *, seed: int, folder: Path | None = None
) -> Trained:
    """Train one head; the same examples, options and seed give the same weights on the same device.

    Args:
        training: What it learns from.
        validation: What chooses the epoch; no other part is read.
        options: How.
        seed: Of initial weights, dropout and batch order.
        folder: Of checkpoints: an interrupted training resumes there, a finished one is read.

    Raises:
        InputError: for fewer than two training examples or no validation example.
    """
    import torch

    _refuse_too_few(training, validation)
    mean, deviation = _scale(training.vectors) if options.standardise else _unscaled(training.vectors)
    with seeded(seed, threads=options.threads):
        model = network(training.vectors.shape[1], options)
        drawn = torch.get_rng_state()
    weights = torch.from_numpy(class_weights(training.classes, options.balance))
    criterion = partial(torch.nn.functional.cross_entropy, label_smoothing=options.smoothing)

    def begin(module: nn.Module, epoch: int) -> None:
        if epoch == 1:  # dropout draws on from where the initial weights ended
            torch.set_rng_state(drawn)

    def loss(module: nn.Module, batch: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        inputs, targets = batch
        if len(targets) < 2:  # batch normalisation needs two
            return {}
        return {"label": criterion(module(inputs), targets, weight=weights.to(inputs.device))}

    def judge(module: nn.Module) -> dict[str, float]:
        return {"macro_f1": _score(Mlp(_folded(cast("nn.Sequential", module), mean, deviation)), validation)}

    task = Task(
        module=model,
        data=_Vectors.of(training, mean, deviation, batch=options.batch),
        loss=loss,
        judge=judge,
        size=lambda batch: float(weights[batch[1]].sum()),
        facts=_facts(training, validation, options),
        begin_epoch=begin,
    )
    fitted = fit(task, options.loop(seed), Run(folder=folder))
    best = Mlp(_folded(model, mean, deviation))
    return Trained(seed, best, fitted.best, len(fitted.history), fitted.history[fitted.best - 1]["macro_f1"])


def _facts(training: Examples, validation: Examples, options: HeadOptions) -> dict[str, Any]:
    """What the weights depend on beside the loop's options."""
    network = {name: value for name, value in asdict(options).items() if name in _OF_NETWORK}
    return {"training": training.sha256, "validation": validation.sha256, **network}


def _refuse_too_few(training: Examples, validation: Examples) -> None:
    if len(training.classes) < 2 or not len(validation.classes):
        raise InputError(
            f"{len(training.classes)} training, {len(validation.classes)} validation examples: expected at least 2, 1"
        )


@dataclass(frozen=True, slots=True)
class _Vectors:
    """Standardised vectors in shuffled batches."""

    inputs: Tensor
    targets: Tensor
    batch: int

    @classmethod
    def of(cls, examples: Examples, mean: np.ndarray, deviation: np.ndarray, *, batch: int) -> _Vectors:
        import torch

        inputs = torch.from_numpy((examples.vectors - mean) / deviation)  # (n, d)
        return cls(inputs, torch.from_numpy(examples.classes.astype(np.int64)), batch)

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        import torch

        order = torch.randperm(len(self.inputs), generator=generator)
        return [Plan(tuple(rows.tolist())) for rows in torch.split(order, self.batch * world)]

    def load(self, plan: Plan) -> tuple[Tensor, Tensor]:
        rows = list(plan.items)
        return self.inputs[rows], self.targets[rows]


def network(width: int, options: HeadOptions) -> nn.Sequential:
    """The untrained network: 165,895 parameters for a width of 512 and the default options."""
    from torch import nn

    layers: list[nn.Module] = []
    for hidden in options.hidden:
        layers += [
            nn.Linear(width, hidden),
            nn.BatchNorm1d(hidden, eps=_EPSILON),
            nn.ReLU(),
            nn.Dropout(options.dropout),
        ]
        width = hidden
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def class_weights(classes: np.ndarray, balance: float) -> np.ndarray:
    """Loss weights ``(7,)`` float32: frequency to the power ``-balance``, mean 1 over examples; 0 for no example."""
    counts = np.bincount(classes, minlength=CLASSES).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -balance, 0.0)
    return np.asarray(weights * counts.sum() / (weights * counts).sum(), dtype=np.float32)


def _scale(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each column, 1 where it is constant."""
    deviation = vectors.std(axis=0)
    return vectors.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _unscaled(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean 0 and standard deviation 1 of each column: vectors as they are."""
    return np.zeros(vectors.shape[1], np.float32), np.ones(vectors.shape[1], np.float32)


def _folded(model: nn.Sequential, mean: np.ndarray, deviation: np.ndarray) -> Weights:
    """Three linear layers that do what the network does in evaluation: ``weight_i (out, in)`` and ``bias_i (out,)``."""
    linear = [_numbers(module) for module in model if hasattr(module, "in_features")]
    norms = [_numbers(module) for module in model if hasattr(module, "running_mean")]
    weights: Weights = {}
    for number, layer in enumerate(linear):
        weight, bias = layer["weight"], layer["bias"]
        if number == 0:
            bias = bias - weight @ (mean / deviation).astype(np.float64)
            weight = weight / deviation
        if number < len(norms):
            norm = norms[number]
            gain = norm["weight"] / np.sqrt(norm["running_var"] + _EPSILON)
            bias = (bias - norm["running_mean"]) * gain + norm["bias"]
            weight = weight * gain[:, None]
        weights[f"weight_{number}"] = rounded(weight.astype(np.float32))
        weights[f"bias_{number}"] = bias.astype(np.float32)
    return weights


def _numbers(module: nn.Module) -> dict[str, Any]:
    return {name: value.cpu().double().numpy() for name, value in module.state_dict().items()}


def _score(head: Mlp | LinearHead, examples: Examples) -> float:
    predicted = head.logits(examples.vectors).argmax(1)
    return macro_f1(confusion(examples.classes, predicted, classes=CLASSES))


def ridge(
    training: Examples, validation: Examples, *, penalties: Sequence[float] = PENALTIES, seed: int = 0
) -> Trained:
    """The linear head with the best macro F1 on ``validation``; ties go to the stronger penalty.

    Where features outnumber examples, as with all layers of an encoder, a strong penalty on a linear map generalises to
    new speakers better than a network that is stopped early. The solution is exact and nothing is random: ``seed`` is
    only recorded. ``epoch`` is the place of the penalty, from 1.

    Raises:
        InputError: for fewer than two training examples, no validation example, and a penalty not above 0.
    """
    _refuse_too_few(training, validation)
    above(0, penalty=min(penalties))
    solutions = _solutions(training, penalties)
    scores: Mapping[int, float] = {place: _score(head, validation) for place, head in enumerate(solutions)}
    best = max(scores, key=lambda place: (scores[place], penalties[place]))
    return Trained(seed, solutions[best], best + 1, len(penalties), scores[best])


def _solutions(training: Examples, penalties: Sequence[float]) -> list[LinearHead]:
    """The linear head of each penalty, from the products of the examples ``(n, n)``."""
    from scipy.linalg import solve

    mean, deviation = _scale(training.vectors)
    scaled = (training.vectors - mean) / deviation  # (n, d)
    targets = np.where(np.arange(CLASSES) == training.classes[:, None], 1.0, -1.0)  # (n, 7)
    products = (scaled @ scaled.T).astype(np.float64)
    level = np.trace(products) / len(products)
    found = []
    for penalty in penalties:
        penalised = products + penalty * level * np.eye(len(products))
        shares = solve(penalised, targets - targets.mean(0), assume_a="pos", overwrite_a=True)  # (n, 7)
        weight = (scaled.T @ shares.astype(np.float32)).T / deviation  # (7, d)
        bias = targets.mean(0) - weight @ mean
        found.append(LinearHead(weight.astype(np.float32), bias.astype(np.float32)))
    return found
