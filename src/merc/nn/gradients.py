"""Gradients that are steered by how well each modality learns: how strongly, and in which direction.

CGGM (Guo et al., NeurIPS 2024, arXiv 2411.01409). Symbols: M modalities, gain_i the improvement of modality i's own
classifier, B_i the factor of its encoder's gradient, g_i the gradient of its classifier's loss, g that of the fused.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, one_hot

from merc.errors import InputError


def gradient_factors(gains: Tensor, *, strength: float = 1.3, least: float = 1e-3, most: float = 2.0) -> Tensor:
    """B_i = strength (sum of gains - gain_i) / sum of gains: the slower a modality learns, the larger; ``(M,)`` each.

    Gains below 0 count as 0. Where they sum to less than ``least`` nobody learns, and all get strength (M - 1) / M.
    None exceeds ``most``; where that cuts nothing, the factors sum to strength (M - 1). One modality alone gets 1.
    """
    if gains.ndim != 1 or not len(gains):
        raise InputError(f"gains of shape {tuple(gains.shape)}; expected one for each modality")
    if len(gains) == 1:
        return torch.ones_like(gains)
    gains = gains.clamp_min(0)
    total, even = gains.sum(), torch.full_like(gains, strength * (len(gains) - 1) / len(gains))
    factors = even if float(total) < least else strength * (total - gains) / total
    return factors.clamp(0, most)


def scale_gradients(parameters: Iterable[nn.Parameter], factor: float) -> None:
    """Multiply the gradients of these parameters in place; those without one are left alone."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def label_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """What cross-entropy sends back to each logit, softmax - one-hot: ``(n, C)``, ``(n,)`` without -1 -> ``(n, C)``.

    As an expression of the logits it can itself be differentiated, whatever stands before them.
    """
    return torch.softmax(logits, -1) - one_hot(labels, logits.shape[-1]).to(logits.dtype)


def direction_loss(factors: Tensor, cosines: Tensor) -> Tensor:
    """``L_gm = mean(|B_i| - B_i cos(g_i, g))``, ``(M,)`` each: 0 where all gradients point the same way."""
    return (factors.abs() - factors * cosines).mean()


def cosine(one: Tensor, other: Tensor) -> Tensor:
    """Cosine between two gradients of the same shape, taken as one long vector each; 0 where one of them is zero."""
    return cosine_similarity(one.flatten(), other.flatten(), dim=0)
