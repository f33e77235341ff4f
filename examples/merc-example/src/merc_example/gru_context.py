"""GRU context: a recurrent network reads the text vectors of a dialogue in order, and labels each utterance.

x (B, T, d)    text vectors            h (B, T, H)    states of a GRU over the utterances so far
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from merc.systems import Batch, Description, Output, Recipe, System

MERC_CONTRACT = 1


@dataclass(frozen=True, slots=True)
class GruContextOptions:
    """Options of the network."""

    states: int = 32  # H
    dropout: float = 0.2  # of the states, in training


class GruContext(System):
    """A GRU over the utterances of a dialogue."""

    description = Description(
        name="gru_context",
        title="GRU over the utterances of a dialogue",
        paper="none; in the manner of Poria et al. 2017",
        idea="A recurrent network reads the text vectors of a dialogue in order.",
        level="dialogue",
        modalities=("text",),
        needs=("text",),
        licence="Apache-2.0",
        recipe=Recipe(learning_rate=3e-3, epochs=40),
    )
    Options = GruContextOptions
    options: GruContextOptions

    def __init__(self, inputs: Mapping[str, int], classes: int, options: GruContextOptions | None = None) -> None:
        super().__init__(inputs, classes, options)
        self.network = nn.GRU(inputs["text"], self.options.states, batch_first=True)
        self.dropout = nn.Dropout(self.options.dropout)
        self.label = nn.Linear(self.options.states, classes)

    def forward(self, batch: Batch) -> Output:
        """Label each utterance by what was said so far."""
        states, _ = self.network(batch.vectors("text")[0])  # (B, T, H)
        logits = self.label(self.dropout(states))  # (B, T, C)
        return Output(logits, self.losses(logits, batch))
