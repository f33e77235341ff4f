"""Options of a training: those of the loop, and those of a system on top of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from merc.errors import InputError
from merc.evaluation.metrics import LOWER_IS_BETTER, NAMES
from merc.features.encoder import MODALITIES
from merc.options import above, at_least, below_one, one_of, share, typed
from merc.training.curriculum import MEASURES

if TYPE_CHECKING:
    from merc.systems import Recipe

HIGHER_IS_BETTER: Mapping[str, bool] = MappingProxyType(
    {**{name: name not in LOWER_IS_BETTER for name in NAMES}, "joint": True, "loss": False, "mse": False}
)
"""Held-out figures by which an epoch can be chosen. "NAME/PART", such as "ccc/valence", goes the way of NAME."""

OPTIMISERS = ("adamw", "adam", "sgd")
SCHEDULES = ("constant", "linear", "cosine", "plateau")
PRECISIONS = ("float32", "bf16")
VALUE_LOSSES = ("ccc", "mse")


def higher_is_better(figure: str) -> bool:
    """Whether the larger value of a figure is the better one; raises InputError for a figure that is not known."""
    name = figure.split("/")[0]
    if name not in HIGHER_IS_BETTER:
        raise InputError(f"metric is '{figure}': expected one of {', '.join(HIGHER_IS_BETTER)}, or NAME/PART of one")
    return HIGHER_IS_BETTER[name]


@dataclass(frozen=True, slots=True)
class LoopOptions:
    """Options that every training has; raises InputError for a value that cannot be used."""

    seed: int = 0
    """Of initial weights, dropout, batch order and modality dropout."""
    learning_rate: float = 1e-3
    """Of parameter groups that have none of their own."""
    weight_decay: float = 1e-2
    """Of parameter groups that have none of their own."""
    epochs: int = 60
    """Epochs at most."""
    patience: int = 10
    """Epochs without a better validation figure before training stops."""
    clip: float | None = 1.0
    """Largest norm of the gradient; None: not clipped."""
    metric: str | None = "weighted_f1"
    """Held-out figure that chooses the epoch; None: the last epoch is kept, for stages without labels."""
    optimiser: str = "adamw"
    """"adamw", "adam" or "sgd" (weight decay of the last two as L2 penalty)."""
    momentum: float = 0.0
    """Of "sgd"."""
    schedule: str = "constant"
    """Of the learning rate after the warm-up: "constant", "linear", "cosine", or "plateau" (divide by 10)."""
    warmup: float = 0.0
    """Share of all steps in which the learning rate rises linearly."""
    floor: float = 0.0
    """Minimum share of the learning rate that a schedule leaves."""
    plateau: int = 3
    """Epochs without a better validation figure before "plateau" divides the learning rate by 10."""
    accumulate: int = 1
    """Batches whose gradients make up one step."""
    precision: str = "float32"
    """"float32", or "bf16": autocast to bfloat16 in the forward pass, weights stay float32."""
    average: bool = False
    """Whether the polynomial-decay average of the weights over the steps is validated and kept."""
    threads: int = 1
    """CPU threads for torch; small systems are no faster with more."""
    device: str = "auto"
    """"cpu", "cuda", "mps", or "auto": a CUDA GPU where there is one, else the CPU."""
    checkpoint_seconds: float = 20.0
    """Least seconds between two checkpoints; more where writing takes long; 0: after every batch."""

    def __post_init__(self) -> None:
        at_least(1, epochs=self.epochs, patience=self.patience, threads=self.threads, accumulate=self.accumulate)
        at_least(0, weight_decay=self.weight_decay, plateau=self.plateau, checkpoint_seconds=self.checkpoint_seconds)
        above(0, learning_rate=self.learning_rate, clip=self.clip)
        share(warmup=self.warmup, floor=self.floor)
        below_one(momentum=self.momentum)
        if self.momentum and self.optimiser != "sgd":
            raise InputError(f"momentum is {self.momentum} but the optimiser '{self.optimiser}'; give optimiser=sgd")
        one_of(OPTIMISERS, optimiser=self.optimiser)
        one_of(SCHEDULES, schedule=self.schedule)
        one_of(PRECISIONS, precision=self.precision)
        if self.metric is not None:
            higher_is_better(self.metric)
        if self.schedule == "plateau" and self.metric is None:
            raise InputError("schedule 'plateau' follows a validation figure, but metric is None; name a metric")

    def as_json(self) -> dict[str, Any]:
        """The values as JSON can write them."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


@dataclass(frozen=True, slots=True)
class TrainOptions(LoopOptions):
    """Options of the training of a system; ``of_recipe`` merges them from the system, the protocol and the user."""

    SEARCH: ClassVar[Mapping[str, str]] = MappingProxyType(
        {"learning_rate": "1e-5..1e-2", "weight_decay": "1e-5..1e-1", "smoothing": "0..0.2"}
    )
    """What ``merc search`` draws of a training by default, as ``--over`` takes it."""
    config: str | None = None
    """Named configuration of the system that replaces its defaults, such as "source"; None: its defaults."""
    batch: int = 16
    """Dialogues, or utterances for a system that reads single utterances."""
    smoothing: float = 0.0
    """Label smoothing."""
    class_weights: bool | Mapping[str, float] = False
    """True: the inverse of each class's frequency in training; or a weight for each class by its name."""
    modality_dropout: float = 0.0
    """Probability with which a modality of an utterance is absent in training."""
    standardise: tuple[str, ...] = ("voice", "face", "motion")
    """Modalities standardised by the training part; text vectors have unit length already."""
    per_speaker: tuple[str, ...] = ()
    """Modalities standardised by each speaker's own values first, over the whole corpus, without labels."""
    speaker_known: int | None = None
    """Utterances of a speaker, drawn by the seed, that ``per_speaker`` measures on; None: all."""
    speaker_neutral: float | None = None
    """Share of the neutral among them, chosen by annotation to resemble conversation; None: drawn as they come."""
    speaker_prior: float = 1.0
    """Utterances' worth of the training part's values that a speaker's own are averaged with (see ``Known``)."""
    speakers_from: str | None = None
    """Corpora (joined by "+") whose speakers, not labels, are learned from, in turn with the protocol's; None: none."""
    labels_from: str | None = None
    """Corpora (joined by "+") whose training parts are learned from too, in one universal label; None: none."""
    value_loss: str = "ccc"
    """Of values: "ccc", 1 - CCC over the utterances of a batch (of one process), or "mse"."""
    value_weight: float = 1.0
    """Factor of the loss of values, a mean over dimensions, beside that of classes."""
    curriculum: str | None = None
    """Name of a difficulty measure: easy dialogues first; None: all from the start."""
    buckets: int = 5
    """Buckets of the curriculum; early stopping counts from the epoch that opens the last one."""
    shift_factor: float = 1.0
    """k of the curriculum's weighted shift: what full similarity adds to a shift."""
    shift_base: float = 0.4
    """b of the curriculum's weighted shift: what any shift weighs."""
    gradients: str | None = None
    """Name of a gradient hook, such as "cggm"; None: plain training."""
    hook: Mapping[str, Any] = field(default_factory=dict)
    """Options of the gradient hook by name."""

    def __post_init__(self) -> None:
        LoopOptions.__post_init__(self)
        at_least(1, batch=self.batch, buckets=self.buckets)
        below_one(smoothing=self.smoothing, modality_dropout=self.modality_dropout)
        one_of(VALUE_LOSSES, value_loss=self.value_loss)
        above(0, value_weight=self.value_weight)
        if self.hook and self.gradients is None:
            raise InputError(
                f"hook option '{next(iter(self.hook))}' without a gradient hook; name one, such as gradients=cggm"
            )
        one_of(MEASURES, curriculum=self.curriculum)
        self._check_speakers()
        for name in self.standardise:
            one_of(MODALITIES, standardise=name)

    def _check_speakers(self) -> None:
        at_least(1, speaker_known=self.speaker_known)
        at_least(0, speaker_prior=self.speaker_prior)
        share(speaker_neutral=self.speaker_neutral)
        if self.speaker_neutral is not None and self.speaker_known is None:
            raise InputError("speaker_neutral is a share of the utterances known; give speaker_known=COUNT as well")
        if self.speaker_known is not None and not self.per_speaker:
            raise InputError("speaker_known is for values by speaker; give per_speaker=voice as well")

    @classmethod
    def of_recipe(cls, recipe: Recipe, *changes: Mapping[str, Any] | None) -> TrainOptions:
        """The recipe of a system with values changed, the last change winning.

        Args:
            recipe: of the system's description.
            changes: values by name, in order of precedence: of the protocol, then of the user.

        Raises:
            InputError: for a name that is no option, and for a value that cannot be used.

        Example:
            >>> from merc.systems import Recipe
            >>> options = TrainOptions.of_recipe(Recipe(), {"buckets": 12, "batch": 4}, {"batch": 8})
            >>> options.buckets, options.batch
            (12, 8)
        """
        known = {one.name for one in fields(cls)}
        values = {name: value for name, value in asdict(recipe).items() if name in known}
        for change in changes:
            values |= dict(change or {})
        if strange := sorted(set(values) - known):
            raise InputError(f"no training option '{strange[0]}'; known are {', '.join(sorted(known))}")
        for name in ("standardise", "per_speaker"):
            if isinstance(values.get(name), str):
                values[name] = _names(values[name])
        return cls(**typed(cls, values))


def _names(text: str) -> tuple[str, ...]:
    return tuple(part for part in text.split(",") if part)
