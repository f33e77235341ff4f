"""A head is trained: two hidden layers on frozen vectors, stopped by the macro F1 of the validation part.

Symbols: n items, d the encoder's width, 7 classes. The network is that of the source paper: linear, batch
normalisation, ReLU, dropout, twice, then linear. Inputs are brought to mean 0 and deviation 1 of the training part,
since encoders differ in scale; this and the batch normalisation are folded into the linear layers when it is done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import confusion, macro_f1
from merc.heads.mlp import CLASSES, Weights, logits, rounded
from merc.recipes.head_options import AdaptOptions

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_EPSILON = 1e-5  # of batch normalisation


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

    def at(self, positions: list[int] | np.ndarray) -> Examples:
        """The examples at some positions."""
        return Examples(self.vectors[positions], self.classes[positions])


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training run left: the folded layers of its best epoch, and its validation macro F1."""

    seed: int
    weights: Weights
    epoch: int
    epochs: int
    validation_macro_f1: float


def train(
    training: Examples,
    validation: Examples,
    options: AdaptOptions,
    *,
    seed: int,
    on_epoch: Callable[[int], None] | None = None,
) -> Trained:
    """Train one head; the same examples, options and seed give the same weights on the same processor.

    The epoch with the best macro F1 on ``validation`` is kept, and only that part is looked at. Raises InputError when
    the training part has fewer than two examples or the validation part is empty.
    """
    import torch

    if len(training.classes) < 2 or not len(validation.classes):
        raise InputError(
            f"{len(training.classes)} training, {len(validation.classes)} validation examples: expected at least 2, 1"
        )
    threads = torch.get_num_threads()
    torch.set_num_threads(options.threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # layers and dropout draw from torch's own stream, restored on leaving
            return _run(training, validation, options, seed, on_epoch)
    finally:
        torch.set_num_threads(threads)


def network(width: int, options: AdaptOptions) -> nn.Sequential:
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


def _run(
    training: Examples, validation: Examples, options: AdaptOptions, seed: int, on_epoch: Callable[[int], None] | None
) -> Trained:
    import torch
    from torch import nn

    mean, deviation = _scale(training.vectors)
    inputs = torch.from_numpy((training.vectors - mean) / deviation)  # (n, d)
    targets = torch.from_numpy(training.classes.astype(np.int64))  # (n,)
    model = network(inputs.shape[1], options)
    optimiser = torch.optim.Adam(model.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, mode="max", factor=0.1, patience=options.plateau)
    loss = nn.CrossEntropyLoss(weight=torch.from_numpy(class_weights(training.classes, options.balance)))
    generator = torch.Generator().manual_seed(seed)
    best = Trained(seed, {}, 0, 0, -1.0)
    for epoch in range(1, options.epochs + 1):
        _epoch(model, (inputs, targets), (optimiser, loss), generator, options.batch)
        folded = _folded(model.eval(), mean, deviation)
        score = _score(folded, validation)
        plateau.step(score)
        if score > best.validation_macro_f1:
            best = Trained(seed, folded, epoch, epoch, score)
        if on_epoch:
            on_epoch(epoch)
        if epoch - best.epoch >= options.patience:
            break
    return Trained(seed, best.weights, best.epoch, epoch, best.validation_macro_f1)


def _epoch(
    model: nn.Sequential,
    data: tuple[Tensor, Tensor],
    step: tuple[torch.optim.Optimizer, nn.Module],
    generator: torch.Generator,
    batch: int,
) -> None:
    import torch

    inputs, targets = data
    optimiser, loss = step
    model.train()
    for rows in torch.split(torch.randperm(len(inputs), generator=generator), batch):
        if len(rows) < 2:
            continue  # batch normalisation needs two
        optimiser.zero_grad(set_to_none=True)
        loss(model(inputs[rows]), targets[rows]).backward()
        optimiser.step()


def class_weights(classes: np.ndarray, balance: float) -> np.ndarray:
    """Loss weights ``(7,)`` float32: frequency to the power ``-balance``, mean 1 over examples; 0 for no example."""
    counts = np.bincount(classes, minlength=CLASSES).astype(np.float64)
    weights = np.where(counts > 0, np.maximum(counts, 1) ** -balance, 0.0)
    return np.asarray(weights * counts.sum() / (weights * counts).sum(), dtype=np.float32)


def _scale(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    deviation = vectors.std(axis=0)
    return vectors.mean(axis=0), np.where(deviation > 0, deviation, 1).astype(np.float32)


def _folded(model: nn.Sequential, mean: np.ndarray, deviation: np.ndarray) -> Weights:
    """Three linear layers that do what the network does in evaluation: ``weight_i (out, in)`` and ``bias_i (out,)``."""
    linear = [{k: v.double().numpy() for k, v in m.state_dict().items()} for m in model if hasattr(m, "in_features")]
    norms = [{k: v.double().numpy() for k, v in m.state_dict().items()} for m in model if hasattr(m, "running_mean")]
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


def _score(weights: Weights, examples: Examples) -> float:
    predicted = logits(weights, examples.vectors).argmax(1)
    return macro_f1(confusion(examples.classes, predicted, classes=CLASSES))
