"""FaceNet: aligned pictures of faces to an identity embedding, or to what the network sees below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from merc.backbones.backbone import Backbone, Inputs, States
from merc.errors import InputError
from merc.nn.facenet import DIMENSION, EXPRESSION, SIDE, FaceNet
from merc.runtime.inputs import check_crops as check_crops

OUTPUTS = {"embedding": DIMENSION, "expression features": EXPRESSION}
"""What can be read from the network, with its width."""


@dataclass(frozen=True, slots=True)
class Pictures(Inputs):
    """Pictures of faces ``(B, 160, 160, 3)`` uint8 RGB."""

    values: Tensor


class FaceNetBackbone(Backbone[np.ndarray]):
    """FaceNet behind the contract of backbones; make it with `load`.

    Its batch normalisations are folded into the convolutions of a frozen graph, so that it can only be used frozen.

    Args:
        facenet: The network.
        output: "embedding" (512 numbers of length one) or "expression features" (5,376).
        sha256: Hash of the weights.
    """

    name = "facenet"
    modes = ("frozen",)

    def __init__(self, facenet: FaceNet, *, output: str = "embedding", sha256: str = "") -> None:
        if output not in OUTPUTS:
            raise InputError(f"output '{output}' of facenet: expected {' or '.join(OUTPUTS)}")
        super().__init__(nn.Identity(), sha256=sha256)
        self.facenet, self.output = facenet, output

    @classmethod
    def load(cls, *, output: str = "embedding", bfloat16: bool | None = None, device: str = "cpu") -> FaceNetBackbone:
        """The pretrained network; raises WeightError when 'facenet' is absent, InputError for a device not there."""
        from merc.weights import WEIGHTS

        network = FaceNet.load(bfloat16=bfloat16, device=device)
        return cls(network, output=output, sha256=WEIGHTS[cls.name].sha256)

    @property
    def device(self) -> torch.device:
        """Where the network's numbers are."""
        return self.facenet.device

    def prepare(self, raw: Sequence[np.ndarray]) -> Pictures:
        """Pictures ``(160, 160, 3)`` uint8 RGB as one tensor; raises InputError for another shape or type."""
        pictures = np.asarray(raw) if len(raw) else np.zeros((0, SIDE, SIDE, 3), np.uint8)
        check_crops(pictures)
        return Pictures(torch.from_numpy(np.ascontiguousarray(pictures)))

    def forward(self, inputs: Pictures) -> States:
        """One vector a picture: values ``(B, 1, 512)`` or ``(B, 1, 5376)``."""
        found = self.facenet.describe(inputs.values.cpu().numpy())[list(OUTPUTS).index(self.output)]
        values = torch.from_numpy(found).to(self.device)[:, None]
        return States(values, torch.ones(values.shape[:2], dtype=torch.bool, device=values.device))
