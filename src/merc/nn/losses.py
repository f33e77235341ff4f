"""Losses over what is labelled: cross-entropy, focal, concordance, squared error, ranking by pairs, contrast."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, normalize, softplus

from merc.errors import InputError

UNLABELLED = -1
"""The class number of an utterance that is context only, and of padding."""


class LabelLoss(nn.Module):
    """Cross-entropy over the labelled utterances of a batch, weighted by class and by utterance.

    With class weights the mean is normalised by the weights, as in ``torch.nn.functional.cross_entropy``.

    Args:
        classes: C.
        class_weights: ``(C,)`` or None.
        smoothing: Label smoothing from 0 to below 1.

    Raises:
        InputError: If there is not one weight per class, or the smoothing is out of range.
    """

    class_weights: Tensor | None

    def __init__(self, classes: int, *, class_weights: Tensor | None = None, smoothing: float = 0.0) -> None:
        super().__init__()
        self.classes = classes
        self.register_buffer("class_weights", None, persistent=False)
        self.configure(class_weights=class_weights, smoothing=smoothing)

    def configure(self, *, class_weights: Tensor | None, smoothing: float) -> None:
        """Set class weights and label smoothing.

        Raises:
            InputError: If there is not one weight per class, or the smoothing is out of range.
        """
        if class_weights is not None and class_weights.shape != (self.classes,):
            raise InputError(f"{tuple(class_weights.shape)} class weights; expected one per class ({self.classes})")
        if not 0 <= smoothing < 1:
            raise InputError(f"label smoothing {smoothing}; expected 0 <= smoothing < 1")
        self.class_weights, self.smoothing = class_weights, smoothing

    def forward(self, logits: Tensor, labels: Tensor, *, weights: Tensor | None = None) -> Tensor:
        """Weighted mean of the cross-entropy over labelled utterances.

        Args:
            logits: ``(..., C)``.
            labels: int64 ``(...)``, -1 for unlabelled.
            weights: ``(...)`` (default: 1).

        Returns:
            A scalar.

        Raises:
            InputError: If no utterance is labelled.
        """
        chosen = labels != UNLABELLED
        if not chosen.any():
            raise InputError("no labelled utterance: the loss is undefined")
        logits, labels = logits[chosen], labels[chosen]  # (n, C), (n,)
        each = cross_entropy(
            logits, labels, weight=self.class_weights, label_smoothing=self.smoothing, reduction="none"
        )
        share = torch.ones_like(each) if weights is None else weights[chosen].to(each)
        normal = share if self.class_weights is None else share * self.class_weights[labels]
        return (each * share).sum() / normal.sum().clamp_min(torch.finfo(each.dtype).tiny)


def supervised_contrast(vectors: Tensor, labels: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Supervised contrastive loss (Khosla et al. 2020, L_out).

    Vectors are normalised; an item is not its own positive; items without a positive are skipped.

    Args:
        vectors: ``(n, d)``.
        labels: ``(n,)``, without -1.
        temperature: Divides the cosine similarities.

    Returns:
        A scalar; zero, but connected to the graph, if no item has a positive.
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


def focal_loss(logits: Tensor, labels: Tensor, *, gamma: float = 2.0) -> Tensor:
    """Cross-entropy that counts what is known already for less: the mean of ``-(1 - p)^gamma log p`` (Lin et al. 2017).

    Args:
        logits: ``(n, C)``.
        labels: ``(n,)``, without -1.
        gamma: 0 gives the cross-entropy.

    Returns:
        A scalar.

    Example:
        >>> import torch
        >>> round(float(focal_loss(torch.zeros(1, 2), torch.tensor([1]))), 4)  # p = 0.5
        0.1733
    """
    likely = logits.log_softmax(-1).gather(1, labels[:, None])[:, 0]  # (n,)
    return -((1 - likely.exp()) ** gamma * likely).mean()


def concordance_loss(values: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """1 - CCC of each dimension, averaged (Lin 1989): 0 for predictions equal to their targets.

    Args:
        values: ``(n, A)``, predicted.
        targets: ``(n, A)``, NaN where absent; a dimension with fewer than two targets is left out.
        weights: ``(n,)``, how much each row counts; None: 1.

    Returns:
        A scalar; zero, still connected to the graph, where no dimension can be measured.

    Example:
        >>> import torch
        >>> values = torch.tensor([[2.0], [3.0], [4.0]])
        >>> round(float(concordance_loss(values, values - 1)), 4)
        0.4286
    """
    known, targets, share = _known(targets, weights)
    mean_v, mean_t = (share * values).sum(0), (share * targets).sum(0)  # (A,)
    from_v, from_t = values - mean_v, targets - mean_t
    spread = (share * (from_v.square() + from_t.square())).sum(0) + (mean_v - mean_t).square()
    ccc = 2 * (share * from_v * from_t).sum(0) / spread.clamp_min(torch.finfo(values.dtype).eps)
    measured = known.sum(0) > 1
    return (1 - ccc)[measured].mean() if bool(measured.any()) else values.sum() * 0


def squared_error(values: Tensor, targets: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """Mean squared error of each dimension, averaged; arguments and result as for ``concordance_loss``.

    A dimension without a target is left out.
    """
    known, targets, share = _known(targets, weights)
    measured = known.any(0)
    if not bool(measured.any()):
        return values.sum() * 0
    return (share * (values - targets).square()).sum(0)[measured].mean()


def _known(targets: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
    """Where there is a target, targets without NaN, and each target's share of its dimension: ``(n, A)`` each."""
    known = ~targets.isnan()
    counted = known.to(targets.dtype) if weights is None else known * weights[:, None].to(targets.dtype)
    share = counted / counted.sum(0).clamp_min(torch.finfo(targets.dtype).tiny)
    return known, targets.nan_to_num(0.0), share


def pairwise_logistic(scores: Tensor, targets: Tensor, *, margin: float = 0.0) -> Tensor:
    """Mean of ``log(1 + exp(-(s_i - s_j)))`` over all pairs whose targets differ, ``t_i > t_j`` (RankNet, 2005).

    Args:
        scores: ``(n,)``, predicted.
        targets: ``(n,)``, NaN where absent.
        margin: pairs whose targets differ by this or less are left out.

    Returns:
        A scalar; zero, still connected to the graph, without a pair.

    Example:
        >>> import torch
        >>> round(float(pairwise_logistic(torch.tensor([1.0, 0.0]), torch.tensor([5.0, 2.0]))), 4)
        0.3133
    """
    ahead = (targets[:, None] - targets[None]) > margin  # (n, n); NaN is ahead of nothing
    if not bool(ahead.any()):
        return scores.sum() * 0
    return softplus(-(scores[:, None] - scores[None])[ahead]).mean()


def info_nce(vectors: Tensor, others: Tensor, *, temperature: float = 0.1) -> Tensor:
    """Each row must find its own among all others: ``vectors (n, d)``, ``others (n, d)``, normalised here; a scalar.

    Lowest where only the diagonal is alike; 0 with one row or none.
    """
    if len(vectors) < 2:
        return (vectors.sum() + others.sum()) * 0
    scores = normalize(vectors, dim=-1) @ normalize(others, dim=-1).T / temperature  # (n, n)
    return cross_entropy(scores, torch.arange(len(scores), device=scores.device))
