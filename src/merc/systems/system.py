"""What a published system is: a description, options, and a module that turns a batch into an output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.losses import LabelLoss
from merc.systems.batch import Batch, Output

LEVELS = ("dialogue", "utterance")


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that a source prints, with its protocol, and why it can or cannot be compared with ours.

    ``value`` is in percent as printed; ``protocol`` is a name of ours ("meld-7", "iemocap6", "iemocap4-session",
    "cmu-mosi") or the source's own words.
    """

    protocol: str
    metric: str
    value: float
    source: str
    comparable: bool
    why: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a system is trained unless told otherwise; what its source does not give is our choice."""

    learning_rate: float = 1e-3  # of AdamW
    weight_decay: float = 1e-2
    batch: int = 16  # dialogues, or utterances for a system that reads single utterances
    epochs: int = 60  # at most
    patience: int = 10  # epochs without a better validation figure before training ends
    clip: float = 1.0  # largest norm of the gradient
    smoothing: float = 0.0  # label smoothing
    class_weights: bool = False  # weigh classes by the inverse of their frequency in training
    curriculum: str | None = None  # name of a difficulty measure, None: all dialogues from the start


@dataclass(frozen=True, slots=True)
class Description:
    """What ``merc systems`` says of a system.

    ``modalities`` are those it can read, in the order of its symbols; ``needs`` those it cannot do without.
    """

    name: str
    title: str
    paper: str
    idea: str
    level: str
    modalities: tuple[str, ...]
    needs: tuple[str, ...]
    licence: str
    published: tuple[Published, ...] = ()
    recipe: Recipe = field(default_factory=Recipe)

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise InputError(f"system '{self.name}': level '{self.level}'; expected {' or '.join(LEVELS)}")


class System(nn.Module):
    """Base of all systems: ``forward(batch) -> Output``.

    A subclass states ``description`` and ``Options`` (a frozen dataclass), is built from ``inputs`` (width by
    modality; a subset of the modalities it can read), the number of classes, and its options, and calls
    ``label_loss`` for the cross-entropy so that smoothing and class weights work alike everywhere.
    """

    description: ClassVar[Description]
    Options: ClassVar[type]

    def __init__(self, inputs: Mapping[str, int], classes: int, options: Any = None) -> None:
        super().__init__()
        described = self.description
        unknown = sorted(set(inputs) - set(described.modalities))
        missing = sorted(set(described.needs) - set(inputs))
        if unknown or missing or not inputs:
            problem = f"cannot read {', '.join(unknown)}" if unknown else f"needs {', '.join(missing) or 'a modality'}"
            raise InputError(
                f"system '{described.name}' {problem}; it reads {', '.join(described.modalities)} "
                f"and needs {', '.join(described.needs) or 'any of them'}; the features have {', '.join(inputs)}"
            )
        if classes < 2:
            raise InputError(f"system '{described.name}': {classes} class; expected two or more")
        self.inputs = {name: inputs[name] for name in described.modalities if name in inputs}
        self.classes = classes
        self.options = self.Options() if options is None else options
        self.label_loss = LabelLoss(classes)

    def forward(self, batch: Batch) -> Output:
        """Turn a batch into logits and, where there are labels, losses."""
        raise NotImplementedError

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """By modality the parameters that serve it alone, for hooks that scale their gradients; empty: none."""
        return {}

    def losses(self, logits: Tensor, batch: Batch, **others: Tensor) -> dict[str, Tensor]:
        """The label loss and others, or nothing when no utterance of the batch has a label."""
        if not batch.labelled.any():
            return {}
        return {"label": self.label_loss(logits, batch.labels, weights=batch.weights), **others}
