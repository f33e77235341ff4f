"""Shipped heads as models to export: vectors of a frozen encoder in, probabilities of seven labels out."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.heads.head import Head, SpokenHead, shipped_card, spoken_head
from merc.heads.mlp import Weights
from merc.labels import EKMAN7
from merc.onnx import fusion, voice
from merc.onnx.folder import Exported, Input

NAMES = ("text-head", "conversation-head", "face-head", "voice-head", "late-fusion")
"""Heads of words and faces read utterances by themselves; that of the voice and the fusion a whole recording."""


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


class Spoken(nn.Module):
    """The two layers over vectors of words in conversation, for ``(speakers, values, present)``."""

    def __init__(self, head: SpokenHead) -> None:
        super().__init__()
        first, first_bias, last, last_bias = (torch.from_numpy(one).float() for one in head.layers)
        self.first = nn.Linear(first.shape[1], first.shape[0])
        self.last = nn.Linear(last.shape[1], last.shape[0])
        self.first.weight.data, self.first.bias.data = first, first_bias
        self.last.weight.data, self.last.bias.data = last, last_bias

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Logits ``(T, 1, 7)`` of values ``(T, 1, 768)``; an absent row gives NaN."""
        values, present = tensors
        found = self.last(torch.tanh(self.first(values)))
        logits: Tensor = torch.where(present[..., None], found, torch.nan)
        return logits


def _spoken() -> Exported:
    """The classifier of text in conversation that the card of the late fusion names."""
    head, card = spoken_head(), shipped_card("fusion")
    if head is None:
        raise InputError("conversation-head: the card of the late fusion names no encoder; export text-head")
    named = card["fusion"]["text"]["encoder"]
    return Exported(
        module=Spoken(head),
        level="utterance",
        inputs=[Input("text", head.width, needed=True, encoder={"encoder": named["name"], "sha256": head.sha256})],
        labels=EKMAN7,
        facts={
            **{fact: named[fact] for fact in ("title", "licence")},
            "name": "conversation-head",
            "training": {"weights": {"sha256": head.sha256}, "fitted_on": card["fusion"]["text"]["fitted_on"]},
        },
        temperature=head.temperature,
    )


def exported(name: str) -> Exported:
    """A shipped head with the calibration on its own corpora.

    Raises:
        InputError: For another name.
        WeightError: For a file that is missing or not the one of its card.
    """
    if name not in NAMES:
        raise InputError(f"head '{name}': expected {', '.join(NAMES)}")
    others = {"voice-head": voice.exported, "late-fusion": fusion.exported, "conversation-head": _spoken}
    if name in others:
        return others[name]()
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
