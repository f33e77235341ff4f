"""Stage 3 of P-TAPT, and TAPT: predict the cluster numbers of masked frames, with one head per number of clusters.

``L = Σ_K mean over masked frames t of -log p_K(c_t^K | masked sound)``. Symbols: B sounds, S frames, d width.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from merc.nn.masking import span_masks
from merc.recipes.pretraining.encoder import MaskedEncoder
from merc.recipes.pretraining.sounds import Batch, Sounds
from merc.training.contract import Task


class MaskedPredictor(nn.Module):
    """The encoder with two linear maps for each number of clusters, d to ``hidden`` to K.

    The source gives no function between the two maps; there is none here.
    """

    def __init__(self, encoder: MaskedEncoder, counts: Sequence[int], *, hidden: int = 256) -> None:
        super().__init__()
        self.encoder = encoder
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Linear(encoder.width, hidden), nn.Linear(hidden, count)) for count in counts
        )

    def forward(self, batch: Batch) -> list[Tensor]:
        """Logits ``(M, K)`` of the masked frames for each number of clusters."""
        encoded = self.encoder(self.encoder.front_end(batch.mels), batch.real, batch.masked)
        states = encoded.frames[-1][batch.masked]  # (M, d)
        return [head(states) for head in self.heads]


def cluster_losses(model: MaskedPredictor, batch: Batch) -> dict[str, Tensor]:
    """The mean over masked frames of each head's cross-entropy; none where nothing is masked."""
    if not bool(batch.masked.any()):
        return {}
    targets = batch.clusters[batch.masked]  # (M, levels)
    return {
        f"clusters_{logits.shape[-1]}": nn.functional.cross_entropy(logits.float(), targets[:, level])
        for level, logits in enumerate(model(batch))
    }


def masked_at_random(batch: Batch, generator: torch.Generator, *, probability: float, length: int) -> Batch:
    """The batch with spans of frames masked."""
    masked = span_masks(batch.real, probability=probability, length=length, minimum=1, generator=generator)
    return replace(batch, masked=masked)


def prediction_task(
    model: MaskedPredictor, sounds: Sounds, *, probability: float, length: int, facts: Mapping[str, Any]
) -> Task:
    """Stage 3; the loss is that of the paper, sizes of accumulated batches are their masked frames."""
    return Task(
        model,
        sounds,
        lambda module, batch: cluster_losses(cast("MaskedPredictor", module), batch),
        size=lambda batch: float(batch.masked.sum()),
        facts=facts,
        augment=lambda batch, generator: masked_at_random(batch, generator, probability=probability, length=length),
    )
