"""What every system takes and gives: a batch of dialogues (or of single utterances) and an output.

Symbols: B dialogues a batch, T utterances in the longest of them, S steps (tokens, frames) in the longest utterance,
d the width of a modality, C classes. A system of level "dialogue" reads utterance vectors ``(B, T, d)``; one of level
"utterance" reads the sequence of a single utterance ``(B, S, d)``, so that T is 1 in labels, speakers and logits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from merc.errors import InputError
from merc.nn.losses import UNLABELLED


@dataclass(frozen=True, slots=True)
class Batch:
    """Dialogues padded to one length; values where nothing is present are zeros that no system may look at.

    ``features`` by modality: float ``(B, T, d)`` or ``(B, S, d)``; ``present`` by modality: bool ``(B, T)`` or
    ``(B, S)``, True where there is a real value. ``mask``: bool ``(B, T)``, True for a real utterance. ``speakers``:
    int64 ``(B, T)``, numbers from 0 in order of appearance in the dialogue, 0 in padding. ``labels``: int64 ``(B, T)``,
    UNLABELLED where the utterance has no label. ``weights``: float ``(B, T)``, how much an utterance counts
    in the loss. ``ids``: for each dialogue its utterance ids.
    """

    features: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    mask: Tensor
    speakers: Tensor
    labels: Tensor
    weights: Tensor
    ids: tuple[tuple[str, ...], ...] = ()

    def __post_init__(self) -> None:
        size = self.mask.shape
        for name, values in (("speakers", self.speakers), ("labels", self.labels), ("weights", self.weights)):
            if values.shape != size:
                raise InputError(f"batch: {name} has shape {tuple(values.shape)}; expected {tuple(size)} as the mask")
        for name, feature in self.features.items():
            if name not in self.present or self.present[name].shape != feature.shape[:2]:
                raise InputError(f"batch: 'present' of modality '{name}' must have shape {tuple(feature.shape[:2])}")

    @property
    def lengths(self) -> Tensor:
        """Real utterances in each dialogue: int64 ``(B,)``."""
        return self.mask.sum(1)

    @property
    def labelled(self) -> Tensor:
        """True where an utterance counts for the loss: bool ``(B, T)``."""
        return self.mask & (self.labels != UNLABELLED)

    def modality(self, name: str) -> tuple[Tensor, Tensor]:
        """Values and presence of a modality; raises InputError where the batch has no such modality."""
        if name not in self.features:
            raise InputError(f"the batch has no modality '{name}'; it has {', '.join(sorted(self.features))}")
        return self.features[name], self.present[name]

    def without(self, name: str) -> Batch:
        """The same batch with one modality absent everywhere."""
        values, present = self.modality(name)
        features = {**self.features, name: torch.zeros_like(values)}
        return replace(self, features=features, present={**self.present, name: torch.zeros_like(present)})

    def to(self, device: str | torch.device) -> Batch:
        """The same batch on another device."""
        return replace(
            self,
            features={name: values.to(device) for name, values in self.features.items()},
            present={name: values.to(device) for name, values in self.present.items()},
            mask=self.mask.to(device),
            speakers=self.speakers.to(device),
            labels=self.labels.to(device),
            weights=self.weights.to(device),
        )


@dataclass(frozen=True, slots=True)
class Output:
    """What a system says of a batch.

    ``logits``: ``(B, T, C)``. ``losses``: scalars by name, already weighted; training minimises their sum; empty when
    the batch holds no label. ``extras``: whatever else a reader may want (attention, embeddings). ``representations``:
    by modality ``(B, T, d)`` just before the fusion, for hooks that look at each modality alone.
    """

    logits: Tensor
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    representations: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def loss(self) -> Tensor:
        """The sum of all losses; raises InputError when there is none."""
        if not self.losses:
            raise InputError("no loss: the batch holds no labelled utterance")
        return torch.stack(list(self.losses.values())).sum()
