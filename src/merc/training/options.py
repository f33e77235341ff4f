"""How a system is trained: its recipe, and what a user may change of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from merc.errors import InputError

if TYPE_CHECKING:
    from merc.systems import Recipe

METRICS = ("weighted_f1", "macro_f1", "accuracy", "unweighted_recall")


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Options of a training; raises InputError for a value that cannot be used. ``of_recipe`` is the usual start."""

    seed: int = 0
    """Reaches initial weights, dropout, the order of batches and the dropping of modalities."""
    learning_rate: float = 1e-3
    """Of AdamW."""
    weight_decay: float = 1e-2
    """Of AdamW."""
    batch: int = 16
    """Dialogues, or utterances for a system that reads single utterances."""
    epochs: int = 60
    """At most."""
    patience: int = 10
    """Epochs without a better validation figure until it stops."""
    clip: float = 1.0
    """Largest norm of the gradient."""
    smoothing: float = 0.0
    """Label smoothing."""
    class_weights: bool | Mapping[str, float] = False
    """True: the inverse of each class's frequency in training; or a weight for each class by its name."""
    metric: str = "weighted_f1"
    """Decides, on validation, which epoch is kept."""
    modality_dropout: float = 0.0
    """Probability with which a modality of an utterance is absent in training."""
    standardise: tuple[str, ...] = ("voice", "face", "motion")
    """Modalities measured against mean and deviation of the training part; text vectors have unit length already."""
    per_speaker: tuple[str, ...] = ()
    """Modalities measured against the speaker's own mean and deviation first, over the whole corpus, label-free."""
    curriculum: str | None = None
    """Name of a difficulty: easy dialogues first; None: all from the start."""
    buckets: int = 5
    """Steps of the curriculum."""
    gradients: str | None = None
    """Name of a hook that changes gradients, such as "cggm"; None: plain training."""
    average: bool = False
    """Whether the running mean of the weights over the steps is validated and kept (Polyak and Juditsky, 1992)."""
    threads: int = 1
    """Of torch; small systems are no faster with more."""
    device: str = "auto"
    """"auto" takes a GPU where there is one, else the processor."""
    checkpoint_seconds: float = 20.0
    """A state is written at most this often, and at the end."""

    def __post_init__(self) -> None:
        for name in ("batch", "epochs", "patience", "threads", "buckets"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected at least 1")
        if self.learning_rate <= 0 or self.weight_decay < 0 or self.clip <= 0:
            raise InputError(
                f"learning rate {self.learning_rate}, weight decay {self.weight_decay}, clip {self.clip}: expected "
                "more than 0, 0 or more, more than 0"
            )
        for name in ("smoothing", "modality_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected a share from 0 to below 1")
        if self.metric not in METRICS:
            raise InputError(f"metric '{self.metric}': expected one of {', '.join(METRICS)}")

    @classmethod
    def of_recipe(cls, recipe: Recipe, changes: Mapping[str, Any] | None = None) -> TrainOptions:
        """The recipe of a system with some values changed; raises InputError for a name that is no option."""
        known = {one.name for one in fields(cls)}
        if strange := sorted(set(changes or {}) - known):
            raise InputError(f"no training option '{strange[0]}'; known are {', '.join(sorted(known))}")
        values = {name: value for name, value in asdict(recipe).items() if name in known} | dict(changes or {})
        for name in ("standardise", "per_speaker"):
            if isinstance(values.get(name), str):
                values[name] = tuple(part for part in values[name].split(",") if part)
        return cls(**values)

    def as_json(self) -> dict[str, Any]:
        """The values as JSON can write them; ``average`` only where it is set, since older trainings do not name it."""
        values = {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}
        return values if self.average else {name: value for name, value in values.items() if name != "average"}
