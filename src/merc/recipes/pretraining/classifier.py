"""The classifier of V-FT and of emotion2vec's downstream model over the masked encoder, and how it is trained.

Symbols: B sounds, S frames, d width of a state, C classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones.whisper import WhisperBackbone
from merc.evaluation.metrics import confusion, unweighted_recall
from merc.nn.masking import feature_masks, span_masks
from merc.nn.pooling import masked_mean
from merc.recipes.pretraining.encoder import MaskedEncoder
from merc.recipes.pretraining.frames import inverse_frequency
from merc.recipes.pretraining.sounds import Batch, Sounds
from merc.training.contract import Task
from merc.training.device import chosen_device, moved

if TYPE_CHECKING:
    from merc.recipes.finetune_speech import FinetuneOptions

_NOT_FACTS = ("seed", "threads", "device", "checkpoint_seconds", "start", "epochs", "learning_rate")


class MeanHead(nn.Module):
    """V-FT's: the mean over real frames, a ReLU, a linear map."""

    def __init__(self, width: int, classes: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, classes)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Logits ``(B, C)`` of states ``(B, S, d)``."""
        found: Tensor = self.out(nn.functional.relu(masked_mean(states, real)))
        return found


class FrameHead(nn.Module):
    """emotion2vec's downstream model: a linear map of each frame, a ReLU, the mean over real frames, a linear map."""

    def __init__(self, width: int, classes: int, *, hidden: int = 256) -> None:
        super().__init__()
        self.inner, self.out = nn.Linear(width, hidden), nn.Linear(hidden, classes)

    def forward(self, states: Tensor, real: Tensor) -> Tensor:
        """Logits ``(B, C)`` of states ``(B, S, d)``."""
        found: Tensor = self.out(masked_mean(nn.functional.relu(self.inner(states)), real))
        return found


class Classifier(nn.Module):
    """The encoder and a head; logits ``(B, C)`` of a batch."""

    def __init__(self, backbone: WhisperBackbone, classes: int, options: FinetuneOptions) -> None:
        super().__init__()
        layers = options.layers if options.depth == "top-k" else 0
        self.encoder = MaskedEncoder(cast("Any", backbone.network), layers=layers)
        self.encoder.mask_vector.data.zero_()
        if options.depth == "frozen":
            self.encoder.requires_grad_(False)
        width = self.encoder.width
        self.head: nn.Module = (
            MeanHead(width, classes) if options.head == "v-ft" else FrameHead(width, classes, hidden=options.hidden)
        )

    def forward(self, batch: Batch) -> Tensor:
        """Logits ``(B, C)``."""
        encoded = self.encoder(self.encoder.front_end(batch.mels), batch.real, batch.masked, batch.hidden)
        found: Tensor = self.head(encoded.frames[-1].float(), batch.real)
        return found


def augmented(batch: Batch, generator: torch.Generator, options: FinetuneOptions, width: int) -> Batch:
    """The batch with spans of frames and of features masked; a frozen encoder reads whole sounds."""
    if options.depth == "frozen":
        return batch
    masked = span_masks(
        batch.real,
        probability=options.mask_probability,
        length=options.mask_length,
        minimum=options.mask_spans,
        generator=generator,
    )
    hidden = feature_masks(
        len(batch.labels),
        width,
        probability=options.feature_probability,
        length=options.feature_length,
        generator=generator,
    )
    return replace(batch, masked=masked, hidden=hidden)


def predicted(module: nn.Module, sounds: Sounds, *, device: str) -> dict[str, int]:
    """The most probable class of each sound by name."""
    found: dict[str, int] = {}
    for names in sounds.in_order():
        with torch.inference_mode():
            logits = module(moved(sounds.batch(names), chosen_device(device)))
        found |= dict(zip(names, logits.argmax(1).tolist(), strict=True))
    return found


def finetune_task(module: Classifier, sounds: Sounds, valid: Sounds, options: FinetuneOptions, *, heard: str) -> Task:
    """The task: cross-entropy weighted by class, and where an epoch is chosen the figures of validation."""
    classes = cast("nn.Linear", module.head.out).out_features
    weights = inverse_frequency(list(sounds.labels.values()), classes)

    def loss(trained: nn.Module, batch: Batch) -> dict[str, Tensor]:
        logits = trained(batch)
        return {"label": nn.functional.cross_entropy(logits, batch.labels, weight=weights.to(logits.device))}

    def judge(trained: nn.Module) -> Mapping[str, float]:
        if options.choose == "last":
            return {}
        found = predicted(trained, valid, device=options.device)
        pairs = np.array([(valid.labels[name], found[name]) for name in valid.names])
        return {"unweighted_recall": unweighted_recall(confusion(*pairs.T, classes=classes))}

    values = {name: one for name, one in asdict(options).items() if name not in _NOT_FACTS}
    return Task(
        module,
        sounds,
        loss,
        judge=judge,
        size=lambda batch: float(weights[batch.labels].sum()),
        facts={**values, "heard": heard},
        augment=lambda batch, generator: augmented(batch, generator, options, module.encoder.width),
    )
