"""What a training minimises: classify, regress, rank, contrast, generate, predict what is masked.

Each objective turns what a module gives for a batch into losses by name, and says how many labelled units the batch
has. Symbols: B dialogues, T utterances, C classes, A targets, L tokens of a sequence, V words, d a width.

    >>> import torch
    >>> from merc.systems import Batch, Output
    >>> labels = torch.tensor([[0, 1, -1]])
    >>> batch = Batch.of({"text": torch.randn(1, 3, 8)}, labels=labels)
    >>> objective = Classify()
    >>> losses = objective.losses(Output(logits=torch.zeros(1, 3, 4)), batch)
    >>> round(float(losses["label"]), 4), objective.size(batch)
    (1.3863, 2.0)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from merc.errors import InputError
from merc.options import above, at_least, below_one, one_of
from merc.training.loop import Computed, Losses

if TYPE_CHECKING:
    from torch import Tensor, nn


class Objective(Protocol):
    """One thing to minimise."""

    def losses(self, output: Any, batch: Any) -> Losses:
        """Give losses by name, none where the batch has nothing to learn from.

        Args:
            output: what the module gave: an object or a mapping that holds what the objective reads, or the tensor.
            batch: an object or a mapping that holds the labels.
        """
        ...

    def size(self, batch: Any) -> float:
        """Give the number of labelled units of a batch."""
        ...


def loss_of(*objectives: Objective) -> Callable[[nn.Module, Any], Computed]:
    """The ``loss`` of a task: the module's output for a batch under all objectives, whose losses are added.

    Raises:
        InputError: when two objectives give a loss of the same name.
    """

    def loss(module: nn.Module, batch: Any) -> Computed:
        output = module(batch)
        found: dict[str, Tensor] = {}
        for objective in objectives:
            for name, value in objective.losses(output, batch).items():
                if name in found:
                    raise InputError(f"two objectives give a loss '{name}'; give one of them another name")
                found[name] = value
        return Computed(found, output)

    return loss


@dataclass(frozen=True, slots=True)
class Classify:
    """Cross-entropy over labelled utterances.

    Reads ``output.logits (B, T, C)``, ``batch.labels (B, T)`` with -1 where there is none, ``batch.weights (B, T)``.
    """

    smoothing: float = 0.0
    """Label smoothing."""
    class_weights: Sequence[float] | None = None
    """``(C,)`` factors of the classes; the mean is taken over the weights, as torch does it."""
    weight: float = 1.0
    """Factor of the loss."""
    name: str = "label"
    """Of the loss."""

    def __post_init__(self) -> None:
        below_one(smoothing=self.smoothing)
        above(0, weight=self.weight)

    def losses(self, output: Any, batch: Any) -> Losses:
        """The cross-entropy, none where nothing is labelled."""
        from merc.nn.losses import LabelLoss

        logits, labels = _get(output, "logits"), _get(batch, "labels")
        if not bool((labels >= 0).any()):
            return {}
        weights = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        loss = LabelLoss(logits.shape[-1], class_weights=weights, smoothing=self.smoothing)
        return {self.name: self.weight * loss(logits, labels, weights=_get(batch, "weights", None))}

    def size(self, batch: Any) -> float:
        """Labelled utterances, by their and their classes' weights."""
        labels = _get(batch, "labels")
        chosen = labels >= 0
        weights = _get(batch, "weights", None)
        share = chosen[chosen].float() if weights is None else weights[chosen]
        if self.class_weights is not None:
            share = share * share.new_tensor(self.class_weights)[labels[chosen]]
        return float(share.sum())


@dataclass(frozen=True, slots=True)
class Regress:
    """Concordance and squared error over targets that are known, averaged over dimensions.

    Reads ``output.values (B, T, A)``, ``batch.targets (B, T, A)`` with NaN where absent, ``batch.weights (B, T)``.
    """

    ccc: float = 1.0
    """Factor of 1 - CCC, which is measured over the batch."""
    mse: float = 0.0
    """Factor of the mean squared error."""

    def __post_init__(self) -> None:
        at_least(0, ccc=self.ccc, mse=self.mse)
        if not self.ccc and not self.mse:
            raise InputError("regression with ccc 0 and mse 0 has nothing to minimise; give one of them a factor")

    def losses(self, output: Any, batch: Any) -> Losses:
        """The losses whose factor is not 0, none where no target is known."""
        from merc.nn.losses import concordance_loss, squared_error

        values, targets = _get(output, "values"), _get(batch, "targets")
        known = ~targets.isnan().all(-1)
        if not bool(known.any()):
            return {}
        weights = _get(batch, "weights", None)
        weights = None if weights is None else weights[known]
        rows = {"ccc": (self.ccc, concordance_loss), "mse": (self.mse, squared_error)}
        return {
            name: factor * loss(values[known], targets[known], weights=weights)
            for name, (factor, loss) in rows.items()
            if factor
        }

    def size(self, batch: Any) -> float:
        """Utterances with a target, by their weights."""
        known = ~_get(batch, "targets").isnan().all(-1)
        weights = _get(batch, "weights", None)
        return float(known.sum() if weights is None else weights[known].sum())


@dataclass(frozen=True, slots=True)
class Rank:
    """Pairwise logistic loss on the differences of scores, averaged over dimensions.

    Reads ``output.values (B, T, A)`` and ``batch.targets (B, T, A)`` with NaN where absent.
    """

    margin: float = 0.0
    """Pairs whose targets differ by this or less are left out."""
    within_dialogues: bool = False
    """Whether only utterances of one dialogue are compared."""
    weight: float = 1.0
    """Factor of the loss."""

    def __post_init__(self) -> None:
        at_least(0, margin=self.margin)
        above(0, weight=self.weight)

    def losses(self, output: Any, batch: Any) -> Losses:
        """The loss over all pairs, none where there is no pair."""
        import torch

        from merc.nn.losses import pairwise_logistic

        values, targets = _get(output, "values"), _get(batch, "targets")
        found = [
            pairwise_logistic(scores, wanted, margin=self.margin)
            for scores, wanted in self._lists(values, targets)
            if bool((wanted[~wanted.isnan()].amax() - wanted[~wanted.isnan()].amin()) > self.margin)
        ]
        return {"rank": self.weight * torch.stack(found).mean()} if found else {}

    def _lists(self, values: Tensor, targets: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Scores and targets ``(n,)`` to compare: by dimension, and where wanted by dialogue."""
        parts = list(zip(values, targets, strict=True)) if self.within_dialogues else [(values, targets)]
        pairs = [
            (one[..., number].flatten(), wanted[..., number].flatten())
            for one, wanted in parts
            for number in range(targets.shape[-1])
        ]
        return [(one, wanted) for one, wanted in pairs if int((~wanted.isnan()).sum()) > 1]

    def size(self, batch: Any) -> float:
        """Utterances with a target."""
        return float((~_get(batch, "targets").isnan().all(-1)).sum())


@dataclass(frozen=True, slots=True)
class Contrast:
    """Supervised contrastive loss (Khosla et al. 2020) over the vectors of labelled utterances.

    Reads ``output.vectors (B, T, d)`` or the tensor itself, and ``batch.labels (B, T)`` with -1 where there is none.
    """

    temperature: float = 0.1
    """Divides the cosines."""
    weight: float = 1.0
    """Factor of the loss."""

    def __post_init__(self) -> None:
        above(0, temperature=self.temperature, weight=self.weight)

    def losses(self, output: Any, batch: Any) -> Losses:
        """The loss, none where no two utterances share a label."""
        from merc.nn.losses import supervised_contrast

        labels = _get(batch, "labels")
        chosen = labels >= 0
        counts = labels[chosen].unique(return_counts=True)[1]
        if not bool((counts > 1).any()):
            return {}
        vectors = _get(output, "vectors")[chosen]
        return {"contrast": self.weight * supervised_contrast(vectors, labels[chosen], temperature=self.temperature)}

    def size(self, batch: Any) -> float:
        """Labelled utterances."""
        return float((_get(batch, "labels") >= 0).sum())


@dataclass(frozen=True, slots=True)
class Generate:
    """Cross-entropy of the next token, as a causal language model learns.

    Reads ``output.logits (B, L, V)`` and ``batch.labels (B, L)`` token numbers: the logits at a place predict the token
    at the next one.
    """

    ignore: int = -100
    """The token number that is not to be predicted (the prompt, padding)."""
    shift: bool = True
    """False: the logits at a place predict the token at that place, as those of an encoder-decoder do."""
    smoothing: float = 0.0
    """Label smoothing."""

    def __post_init__(self) -> None:
        below_one(smoothing=self.smoothing)

    def losses(self, output: Any, batch: Any) -> Losses:
        """The mean over tokens, none where no token is to be predicted."""
        from torch.nn.functional import cross_entropy

        logits, labels = _get(output, "logits"), self._wanted(batch)
        logits = logits[:, :-1] if self.shift else logits
        if not bool((labels != self.ignore).any()):
            return {}
        loss = cross_entropy(
            logits.flatten(0, 1).float(),
            labels.flatten(),
            ignore_index=self.ignore,
            label_smoothing=self.smoothing,
        )
        return {"token": loss}

    def _wanted(self, batch: Any) -> Tensor:
        labels: Tensor = _get(batch, "labels")
        return labels[:, 1:] if self.shift else labels

    def size(self, batch: Any) -> float:
        """Tokens to predict."""
        return float((self._wanted(batch) != self.ignore).sum())


@dataclass(frozen=True, slots=True)
class MaskedPrediction:
    """Predict what was masked: classes (as HuBERT's clusters, BERT's words) or vectors (as data2vec's).

    Reads ``output.predicted``: ``(B, L, C)`` logits, or ``(B, L, d)`` vectors; ``batch.targets``: ``(B, L)`` class
    numbers, or ``(B, L, d)``; ``batch.masked``: bool ``(B, L)``. Only masked places count.
    """

    kind: str = "classes"
    """"classes": cross-entropy; "vectors": mean squared error."""

    def __post_init__(self) -> None:
        one_of(("classes", "vectors"), kind=self.kind)

    def losses(self, output: Any, batch: Any) -> Losses:
        """The mean over masked places, none where nothing is masked."""
        from torch.nn.functional import cross_entropy, mse_loss

        masked = _get(batch, "masked")
        if not bool(masked.any()):
            return {}
        predicted, targets = _get(output, "predicted")[masked], _get(batch, "targets")[masked]
        loss = cross_entropy(predicted, targets) if self.kind == "classes" else mse_loss(predicted, targets)
        return {"masked": loss}

    def size(self, batch: Any) -> float:
        """Masked places."""
        return float(_get(batch, "masked").sum())


_NEEDED: Any = object()


def _get(holder: Any, name: str, default: Any = _NEEDED) -> Any:
    """A tensor of an object or a mapping by name; a tensor alone stands for the one that is looked for."""
    from torch import Tensor

    if isinstance(holder, Tensor):
        found = holder if default is _NEEDED else default
    elif isinstance(holder, Mapping):
        found = holder.get(name, default)
    else:
        found = getattr(holder, name, default)
    if found is _NEEDED or (found is None and default is _NEEDED):
        raise InputError(f"the objective reads '{name}', but {type(holder).__name__} has none; give it, or another")
    return found
