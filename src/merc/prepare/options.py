"""What can be chosen for preparing a corpus."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from merc.errors import InputError
from merc.execution import Engine
from merc.features.encoder import DEFAULT, ENCODERS, chosen
from merc.options import above, at_least


@dataclass(frozen=True, slots=True)
class PrepareOptions:
    """Choices for preparing a corpus; raises UnknownName and InputError for a value that cannot work."""

    encoders: tuple[str, ...] = tuple(DEFAULT)
    """Names of encoders, and of modalities, which stand for their default encoders."""
    corpus: str = ""
    """The corpus's name, stored with the features."""
    licence: str = ""
    """The corpus's terms, stored with the features: they hold for what is made from it."""
    only: tuple[str, ...] = ()
    """Patterns of the utterances to prepare, such as ``dev/dia29_*``; none: all."""
    workers: int = 0
    """Processes that encode clips; 0: one per core, or as many as a cluster has room for. Each takes about 1 GB."""
    timeout: float = 600.0
    """Seconds after which a clip counts as unreadable."""
    device: str = "cpu"
    """Where encoders run; see `merc.nn.device.resolve`. On a GPU each process holds the encoders of its clips there."""
    retry: bool = False
    """Whether shards in which something is missing are prepared again, after clips were added or repaired."""
    engine: Engine = field(default_factory=Engine)
    """Whether clips are encoded on this machine or on a cluster; texts and dialogues are encoded on this machine."""

    def __post_init__(self) -> None:
        made = Counter(ENCODERS[name]().name for name in chosen(self.encoders))
        if twice := [name for name, count in made.items() if count > 1]:
            raise InputError(
                f"encoders {', '.join(self.encoders)}: {made[twice[0]]} of them make the feature '{twice[0]}'; prepare "
                "them into stores of their own (--out)"
            )
        at_least(0, hint=" (0: one per core)", workers=self.workers)
        above(0, hint=" seconds", timeout=self.timeout)

    @property
    def names(self) -> tuple[str, ...]:
        """The encoders by name."""
        return chosen(self.encoders)
