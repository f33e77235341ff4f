"""Shipped heads as models to export: vectors of a frozen encoder in, probabilities of seven labels out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.heads.head import Head
from merc.heads.mlp import Weights
from merc.onnx import fusion, voice
from merc.onnx.folder import Exported, Input

NAMES = ("text-head", "face-head", "voice-head", "late-fusion")
"""Heads of words and faces read utterances by themselves; that of the voice and the fusion a whole recording."""

_WHOLE = {"voice-head": voice.exported, "late-fusion": fusion.exported}


class Layers(nn.Module):
    """Three linear layers with rectifiers between them, for ``(speakers, values, present)``."""

    def __init__(self, weights: Weights) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for number in range(3):
            weight, bias = (torch.from_numpy(weights[f"{kind}_{number}"]) for kind in ("weight", "bias"))
            layer = nn.Linear(weight.shape[1], weight.shape[0])
            layer.weight.data, layer.bias.data = weight.float(), bias.float()
            self.layers.append(layer)

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Logits ``(T, 1, 7)`` of values ``(T, 1, d)``; an absent row gives NaN."""
        values, present = tensors
        state = values
        for layer in list(self.layers)[:-1]:
            state = torch.relu(layer(state))
        logits: Tensor = torch.where(present[..., None], self.layers[-1](state), torch.nan)
        return logits


def exported(name: str) -> Exported:
    """A shipped head with the calibration on its own corpora.

    Raises:
        InputError: For another name.
        WeightError: For a file that is missing or not the one of its card.
    """
    if name not in NAMES:
        raise InputError(f"head '{name}': expected {', '.join(NAMES)}")
    if name in _WHOLE:
        return _WHOLE[name]()
    head = Head.load(name.removesuffix("-head"), conversation=False)
    card = head.card
    return Exported(
        module=Layers(head.weights),
        level="utterance",
        inputs=[Input(head.name, head.width, needed=True, encoder=card["base"])],
        labels=head.labels,
        facts={
            **{fact: card[fact] for fact in ("title", "summary", "licence", "notes")},
            "name": name,
            "training": {"weights": card["weights"], "data": card["data"]},
        },
        temperature=head.temperature,
        bias=head.bias.tolist(),
    )
