"""Losses over masked batches: cross-entropy by class name's number, supervised contrast."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize

from merc.errors import InputError

UNLABELLED = -1
"""The class number of an utterance that is context only, and of padding."""


class LabelLoss(nn.Module):
    """Cross-entropy over the labelled utterances of a batch, weighted by class and by utterance.

    ``class_weights``: ``(C,)`` or None; ``smoothing`` as in torch's ``cross_entropy``. With class weights the mean is
    taken over the weights, as torch does it.
    """

    class_weights: Tensor | None

    def __init__(self, classes: int, *, class_weights: Tensor | None = None, smoothing: float = 0.0) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("class_weights", None, persistent=False)
        self.configure(class_weights=class_weights, smoothing=smoothing)

    def configure(self, *, class_weights: Tensor | None, smoothing: float) -> None:
        """Set class weights and label smoothing; raises InputError for a wrong number of weights or smoothing."""
        if class_weights is not None and class_weights.shape != (self.classes,):
            raise InputError(f"{tuple(class_weights.shape)} class weights; expected one for each of {self.classes}")
        if not 0 <= smoothing < 1:
            raise InputError(f"label smoothing {smoothing}; expected 0 <= smoothing < 1")
        self.class_weights, self.smoothing = class_weights, smoothing

    def forward(self, logits: Tensor, labels: Tensor, *, weights: Tensor | None = None) -> Tensor:
        """``logits (..., C)``, ``labels (...)`` with -1 where there is none, ``weights (...)``: a scalar.

        Raises InputError when nothing is labelled.
        """
        chosen = labels != UNLABELLED
        if not chosen.any():
            raise InputError("no labelled utterance: the loss is not defined")
        logits, labels = logits[chosen], labels[chosen]  # (n, C), (n,)
        each = cross_entropy(
            logits, labels, weight=self.class_weights, label_smoothing=self.smoothing, reduction="none"
        )
        share = torch.ones_like(each) if weights is None else weights[chosen].to(each)
        normal = share if self.class_weights is None else share * self.class_weights[labels]
        return (each * share).sum() / normal.sum().clamp_min(torch.finfo(each.dtype).tiny)


def supervised_contrast(vectors: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, L_out): ``vectors (n, d)``, ``labels (n,)`` without -1.

    Vectors are normalised; the diagonal is excluded; items without another of their class are left out. Zero, still
    connected to the graph, when no item has a partner.
    """
    unit = normalize(vectors, dim=-1)  # (n, d)
    scores = unit @ unit.T / temperature  # (n, n)
    itself = torch.eye(len(unit), dtype=torch.bool, device=unit.device)
    partners = (labels[:, None] == labels[None]) & ~itself  # (n, n)
    log_share = scores - torch.logsumexp(scores.masked_fill(itself, float("-inf")), dim=1, keepdim=True)
    count = partners.sum(1)
    if not bool((count > 0).any()):
        return vectors.sum() * 0
    each = -(log_share.masked_fill(~partners, 0.0)).sum(1) / count.clamp_min(1)
    return each[count > 0].mean()
