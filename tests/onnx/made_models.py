"""Small models for the tests of the export and of the runtime."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from merc.onnx.folder import Exported, Input
from merc.onnx.systems import Dense
from merc.systems import SYSTEMS

LABELS = ("joy", "neutral", "sadness")


def concat(**more: object) -> Exported:
    """An untrained system of text and voice; the voice is normalised."""
    torch.manual_seed(0)
    system = SYSTEMS["concat"]({"text": 5, "voice": 3}, len(LABELS)).eval()
    scaling = {"mean": [1.0, 2.0, 3.0], "deviation": [2.0, 1.0, 0.5], "limit": 5.0}
    inputs = [Input("text", 5, needed=True), Input("voice", 3, needed=False, normalisation=scaling)]
    values = {"temperature": 1.5, "bias": (0.1, 0.0, -0.1), **more}
    return Exported(Dense(system), "dialogue", inputs, LABELS, {"name": "concat"}, **values)  # type: ignore[arg-type]


class Counting(nn.Module):
    """A loop over the utterances, whose length a graph cannot follow."""

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Logits ``(1, T, 3)``: sums so far."""
        sums, total = [], torch.zeros(3)
        for place in range(int(speakers.shape[1])):
            total = total + tensors[0][0, place, :3]
            sums.append(total)
        return torch.stack(sums)[None]


class Failing(nn.Module):
    """A model that torch cannot trace."""

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Logits ``(1, T, 3)``."""
        raise RuntimeError("the operator 'made_up' does not exist\nand a second line")
