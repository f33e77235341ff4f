"""CAM++, the speaker encoder: sound at 16 kHz to one embedding of 192 numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from merc.backbones.backbone import Backbone, Inputs, States
from merc.errors import InputError
from merc.nn.campplus import SHORTEST
from merc.nn.device import resolve
from merc.nn.fbank import fbank, frame_count

WIDTH = 192


@dataclass(frozen=True, slots=True)
class Bins(Inputs):
    """Mel filter banks ``(B, frames, 80)`` of sounds of equal length, without their mean over time."""

    values: Tensor


class CamPlusBackbone(Backbone[np.ndarray]):
    """CAM++ behind the contract of backbones; make it with `load`.

    Its batch normalisations are folded into the convolutions, so that it can only be used frozen.
    """

    name = "campplus"
    modes = ("frozen",)

    @classmethod
    def load(cls, *, device: str = "cpu") -> CamPlusBackbone:
        """The pretrained network; raises WeightError when 'campplus' is absent, InputError for a device not there."""
        from merc.nn import campplus
        from merc.weights import WEIGHTS

        made = cls(campplus.load(), sha256=WEIGHTS[cls.name].sha256)
        return made.to(resolve(device)).eval()

    def prepare(self, raw: Sequence[np.ndarray]) -> Bins:
        """Filter banks of sounds, each int16 or float in [-1, 1), all of one length.

        Raises:
            InputError: the sounds differ in length or are too short for the network.
        """
        lengths = {frame_count(len(sound)) for sound in raw}
        if len(lengths) != 1 or min(lengths) < SHORTEST:
            raise InputError(f"sounds of {sorted(lengths)} frames of 10 ms: expected one length of at least {SHORTEST}")
        return self.centred(torch.stack([fbank(sound) for sound in raw]))

    @staticmethod
    def centred(bins: Tensor) -> Bins:
        """Filter banks ``(B, frames, 80)`` minus their mean over time."""
        return Bins(bins - bins.mean(1, keepdim=True))

    def forward(self, inputs: Bins) -> States:
        """One embedding a sound: values ``(B, 1, 192)``, not normalised."""
        values = self.pooled(self.states(inputs))[:, None]
        return States(values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device))

    def states(self, inputs: Bins) -> Tensor:
        """States before the pooling over time, one in 20 ms: ``(B, 512, states)``."""
        network: Any = self.network
        found: Tensor = network.states(inputs.to(self.device).values)
        return found

    def pooled(self, states: Tensor) -> Tensor:
        """Embeddings ``(B, 192)``, not normalised, of states or of a stretch of them."""
        network: Any = self.network
        found: Tensor = network.pooled(states)
        return found
