"""The voice head as a graph: all utterances of a recording in, each judged also against how its speaker sounds.

The formulas are those of ``merc.heads.voice``, with what concerns the speakers as matrices over all pairs of
utterances. T utterances, d numbers of a vector.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.heads.voice import LEAST, NAME, VoiceHead
from merc.labels import EKMAN7
from merc.onnx.folder import Exported, Input


class Voices(nn.Module):
    """``(speakers (1, T), values (1, T, d), present (1, T))`` to log probabilities ``(1, T, 7)``.

    An utterance that is not present does not count for its speaker, and its own row is NaN.
    """

    def __init__(self, head: VoiceHead) -> None:
        super().__init__()
        for name, values in head.weights.items():
            self.register_buffer(name, torch.from_numpy(values))

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Judge the utterances of one recording."""
        values, present = (one[0] for one in tensors)
        known = (values - self.get_buffer("centre")) * present[:, None]  # (T, d)
        own = ((speakers[0][:, None] == speakers[0]) & present).float()  # (T, T)
        counts = own.sum(1, keepdim=True)  # (T, 1)
        shares = own / counts.clamp_min(1)
        told = (counts >= LEAST).float()
        share, shrinkage = self.get_buffer("share")
        means = told * share * counts / (counts + shrinkage) * (shares @ known)
        alone = self._scores("alone", known)
        units = torch.relu(self._scores("hidden", known - means))
        moved = self._scores("moved", known - means) + units @ self.get_buffer("out").T
        both = torch.softmax(alone, -1), torch.softmax(moved, -1)
        gates = told * self._gates(*both, shares, counts)
        mixed = (1 - gates) * both[0] + gates * both[1]
        logits: Tensor = torch.where(present[:, None], mixed.clamp_min(1e-30).log(), torch.nan)[None]
        return logits

    def _scores(self, name: str, vectors: Tensor) -> Tensor:
        """One linear map of vectors ``(T, d)``."""
        return F.linear(vectors, self.get_buffer(name), self.get_buffer(f"{name}_bias"))

    def _gates(self, alone: Tensor, moved: Tensor, shares: Tensor, counts: Tensor) -> Tensor:
        """The gate ``(T, 1)`` of each utterance's speaker, from the probabilities ``(T, 7)`` by the two maps."""
        neutral = EKMAN7.index("neutral")
        parts = [
            torch.ones_like(counts),
            _entropy(shares @ alone) - shares @ _entropy(alone),
            _entropy(shares @ moved) - shares @ _entropy(moved),
            shares @ _entropy(alone),
            shares @ alone[:, neutral : neutral + 1],
            counts.clamp_min(1).log(),
        ]
        scores = torch.cat(parts, 1) @ self.get_buffer("gate")[:, None]
        return torch.sigmoid(scores.clamp(-30, 30))


def _entropy(probabilities: Tensor) -> Tensor:
    """The entropy of each row ``(T, 1)``, in nats."""
    return -(probabilities * probabilities.clamp_min(1e-12).log()).sum(1, keepdim=True)


def exported() -> Exported:
    """The shipped voice head; raises WeightError for a file that is missing or not the one of its card."""
    head = VoiceHead.load()
    card = head.card
    return Exported(
        module=Voices(head),
        level="dialogue",
        inputs=[Input(NAME, head.width, needed=True, encoder=card["base"])],
        labels=EKMAN7,
        facts={
            **{fact: card[fact] for fact in ("title", "summary", "licence", "notes")},
            "name": f"{NAME}-head",
            "training": {"weights": card["weights"], "data": card["data"]},
        },
    )
