"""The rows of ``merc bench speech``: one entry a row; the first one of a protocol is what the others are compared with.

To add a row, name a system, a protocol and what differs from the system's defaults.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merc.systems import Published


@dataclass(frozen=True, slots=True)
class SpeechRow:
    """A row of the table."""

    name: str
    """What the table calls it; one name a protocol."""
    system: str
    """A name from ``merc systems``."""
    protocol: str
    """A name from ``merc protocols``; of dimensions and ranks too."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Of the system."""
    training: Mapping[str, Any] = field(default_factory=dict)
    """Changes of its recipe."""
    features: str | None = None
    """As on the command line; None: the usual ones of the system."""
    modalities: tuple[str, ...] = ("voice",)
    """What it reads."""
    published: Published | None = None
    """The figure of its source; None: what the system's description says of the protocol."""
    note: str = ""
    """What a reader must know, such as that a row is transductive; it is then not compared with published figures."""
    metric: str | None = None
    """Of values: what the row is measured by, such as "kendall_tau"; None: the protocol's metric."""


_MEAN = {"aggregator": "mean"}
_OWN = "transductive: each speaker's features are standardised by all utterances of that speaker, test speakers too"


ROWS: tuple[SpeechRow, ...] = (
    SpeechRow("frozen, sum of layers, mean", "speech", "speech4", _MEAN),
    *(SpeechRow(f"frozen, layer {n}, mean", "speech", "speech4", {**_MEAN, "layer": n}) for n in range(7)),
    SpeechRow("frozen, sum, mean, MLP", "speech", "speech4", {**_MEAN, "backend": "mlp"}),
    SpeechRow("frozen, sum, mean, by speaker", "speech", "speech4", _MEAN, {"per_speaker": "voice"}, note=_OWN),
    SpeechRow("frozen, layer 3, mean and sd", "speech", "speech4", {"layer": 3}),
    SpeechRow("frozen, layer 3, attentive", "speech", "speech4", {"layer": 3, "aggregator": "attentive"}),
    SpeechRow("frozen, layer 3, ECAPA", "speech", "speech4", {"layer": 3, "aggregator": "ecapa"}),
    SpeechRow("frozen, layer 3, mean and sd", "speech", "ravdess-speaker", {"layer": 3}),
    SpeechRow(
        "last two layers tuned, mean and sd",
        "speech",
        "ravdess-speaker",
        {"tuning": "top-k", "top": 2, "layer": "sum"},
        {"precision": "bf16", "epochs": 6},
    ),
)
"""Every row, in the order of the tables."""
