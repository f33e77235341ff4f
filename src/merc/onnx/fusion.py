"""Late fusion as a graph: probabilities by words, voice and face in, those of all together out.

The formulas are those of ``merc.heads.late_fusion``, in the same double precision, with sums over a speaker's
utterances as a matrix over all pairs. T utterances.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from merc.heads.head import fusion_card, shipped_card
from merc.heads.late_fusion import FLOOR, MODALITIES, LateFusion
from merc.labels import EKMAN7
from merc.onnx.folder import Exported, Input


class Fusing(nn.Module):
    """``(speakers (1, T), *values (1, T, 7), *present (1, T))`` to log probabilities ``(1, T, 7)``.

    Values and whether they are present are in the order of ``MODALITIES``. An utterance without any is NaN.
    """

    def __init__(self, fusion: LateFusion) -> None:
        super().__init__()
        self.fusion = fusion
        self.prior = torch.from_numpy(fusion.prior)
        self.priors = {name: torch.from_numpy(values) for name, values in fusion.priors.items()}

    def forward(self, speakers: Tensor, *tensors: Tensor) -> Tensor:
        """Fuse the utterances of one recording."""
        values, there = (tensors[start : start + len(MODALITIES)] for start in (0, len(MODALITIES)))
        logs = {name: one[0].double().clamp_min(FLOOR).log() for name, one in zip(MODALITIES, values, strict=True)}
        present = {name: one[0][:, None] for name, one in zip(MODALITIES, there, strict=True)}
        added = {name: (logs[name] - self.priors[name]) * present[name] for name in ("voice", "face")}
        words = torch.where(present["text"], logs["text"], self.prior)
        base = torch.log_softmax(words + self.fusion.trust["face"] * added["face"], -1)
        own = (speakers[0][:, None] == speakers[0]).double()  # (T, T)
        fused = self._mixed(base, added["voice"], own).clamp_min(1e-30).log()
        calmed = fused.clamp_min(math.log(1e-12)) / self.fusion.temperature
        logits = torch.where(present["text"], fused, torch.log_softmax(calmed, -1))
        known = present["text"] | present["voice"] | present["face"]
        result: Tensor = torch.where(known, logits, torch.nan)[None]
        return result

    def _mixed(self, base: Tensor, voice: Tensor, own: Tensor) -> Tensor:
        """Probabilities ``(T, 7)``; where ``voice`` is 0, an utterance agrees with every trust as much."""
        levels = self.fusion.levels
        fused, scores = [], []
        for trust, share in levels.shares:
            told = base + trust * voice
            agreement = torch.logsumexp(told, -1) - torch.logsumexp(self.prior + trust * voice, -1)  # (T,)
            fused.append(torch.softmax(told, -1))
            scores.append(math.log(max(share, 1e-12)) + levels.agreement * (own @ agreement[:, None]))
        weights = torch.softmax(torch.cat(scores, 1), -1)  # (T, levels)
        result: Tensor = (torch.stack(fused, 2) @ weights[:, :, None])[..., 0]
        return result


def exported() -> Exported:
    """Late fusion by the shipped card; raises WeightError where it is missing."""
    card, fusion = shipped_card("fusion"), fusion_card()
    return Exported(
        module=Fusing(LateFusion(fusion)),
        level="dialogue",
        inputs=[Input(name, len(EKMAN7), needed=False, probabilities=True) for name in MODALITIES],
        labels=EKMAN7,
        facts={
            **{fact: card[fact] for fact in ("title", "summary", "licence", "notes")},
            "name": "late-fusion",
            "training": {"fusion": fusion, "data": card["data"]},
        },
    )
