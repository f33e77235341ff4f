"""How the heads are trained: every choice with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from merc.errors import InputError


@dataclass(frozen=True, slots=True)
class AdaptOptions:
    """Options of ``adapt``; raises InputError for a value that cannot be used."""

    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    """Trained once for each; the one with the best validation macro F1 is shipped, all are reported."""
    split_seed: int = 0
    """Decides which texts and which faces of the training part are held out."""
    train_cap: int = 6200
    """Most training texts a class: what the source paper took of each emotion."""
    held_cap: int = 600
    """Most validation and most test texts a class: half-widths of the intervals stay below 4 points."""
    semeval_threshold: float = 0.5
    """Intensity from which a tweet of EI-reg counts for its emotion: the middle of the scale."""
    hidden: tuple[int, int] = (256, 128)
    """Widths of the hidden layers, as in the source paper; the second is the emotion vector."""
    dropout: float = 0.3
    """After each hidden layer, as in the source paper."""
    learning_rate: float = 1e-3
    """Adam, as in the source paper."""
    weight_decay: float = 1e-5
    """As in the source paper."""
    balance: float = 0.5
    """Power of the inverse class frequency in the loss: 0 leaves classes as they are, 1 makes them equal."""
    batch: int = 128
    """The source paper has 32; 128 takes a quarter of the steps."""
    epochs: int = 100
    """At most, as in the source paper."""
    patience: int = 10
    """Epochs without a better validation macro F1 until it stops, as in the source paper."""
    plateau: int = 5
    """Epochs without a better validation macro F1 until the learning rate falls to a tenth, as in the source paper."""
    resamples: int = 1000
    """Bootstrap samples behind each 95 % interval."""
    threads: int = 1
    """Threads of the encoder and of the training; more is slower where others use the machine."""

    def __post_init__(self) -> None:
        if not self.seeds or len(set(self.seeds)) != len(self.seeds):
            raise InputError(f"seeds {self.seeds}: expected at least one, each once")
        counts = ("train_cap", "held_cap", "batch", "epochs", "patience", "plateau", "resamples", "threads")
        for name in counts:
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected at least 1")
        if len(self.hidden) != 2 or min(self.hidden) < 1:
            raise InputError(f"hidden {self.hidden}: expected two widths of at least 1")
        if not 0 <= self.balance <= 1:
            raise InputError(f"balance {self.balance}: expected 0 (as they are) to 1 (equal)")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout {self.dropout}: expected a share from 0 to below 1")
        if self.learning_rate <= 0 or self.weight_decay < 0:
            raise InputError(
                f"learning rate {self.learning_rate}, weight decay {self.weight_decay}: expected > 0 and >= 0"
            )


def default_options(modality: str) -> AdaptOptions:
    """The options with which the head of a modality is shipped.

    The face head reads 5,376 features; 64 units in its first layer keep it below a million bytes.
    """
    return AdaptOptions(hidden=(64, 128)) if modality == "face" else AdaptOptions()
