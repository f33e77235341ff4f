"""Options of a live analysis."""

from __future__ import annotations

from dataclasses import dataclass, field

from merc.options import above, at_least
from merc.speech.endpoint import EndpointOptions


@dataclass(frozen=True, slots=True)
class StreamOptions:
    """What a live analysis adds to the options of an analysis; lengths are in seconds.

    Raises:
        InputError: an option is out of range.

    Example:
        >>> StreamOptions(partial=0)
        Traceback (most recent call last):
            ...
        merc.errors.InputError: partial is 0: expected more than 0 seconds
    """

    endpoint: EndpointOptions = field(default_factory=EndpointOptions)
    """When an utterance ends."""
    partial: float = 2.0
    """Least time between two partial results; they are left out while there is other work."""
    padding: float = 2.0
    """Silence that Whisper reads behind an utterance instead of up to thirty seconds, which would take two seconds."""
    divide: int = 4
    """Stretches of speech after which the voices are clustered again."""
    history: int = 100
    """Utterances that later ones are judged with, and whose speaker can still change."""
    behind: int = 4
    """Stretches of speech that may wait for the models before no more sound is taken."""

    def __post_init__(self) -> None:
        above(0, partial=self.partial, hint=" seconds")
        at_least(0, padding=self.padding, hint=" seconds")
        at_least(1, divide=self.divide, history=self.history, behind=self.behind)
