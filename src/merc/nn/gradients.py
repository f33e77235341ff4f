"""What changes gradients between loss and weights: reversal, and modulation by how fast each modality learns.

Reversal: Ganin and Lempitsky 2015, arXiv 1409.7495. Modulation: CGGM (Guo et al., NeurIPS 2024, arXiv 2411.01409).
Symbols: M modalities, gain_i the improvement of modality i's own classifier, B_i the factor of its encoder's gradient,
g_i the gradient of its classifier's loss, g that of the fused.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, one_hot

from merc.errors import InputError


class _Reversal(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return values.view_as(values)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> tuple[Tensor, None]:
        return gradients[0] * -ctx.strength, None


def reverse_gradient(values: Tensor, strength: float = 1.0) -> Tensor:
    """The same values, whose gradient is multiplied by ``-strength`` on its way back.

    Example:
        >>> import torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> (3 * reverse_gradient(x, 0.5)).sum().backward()
        >>> x.grad
        tensor([-1.5000, -1.5000])
    """
    reversed_: Tensor = _Reversal.apply(values, strength)  # type: ignore[no-untyped-call]
    return reversed_


def gradient_factors(gains: Tensor, *, strength: float = 1.3, least: float = 1e-3, most: float = 2.0) -> Tensor:
    """Gradient factors B_i = strength (sum of gains - gain_i) / sum of gains: larger for modalities that learn slowly.

    Args:
        gains: ``(M,)`` improvement of the classifier of each modality; negative gains count as 0.
        strength: Sum of the factors over M - 1, unless they are clipped.
        least: If the gains sum to less, no modality learns, and each factor is strength (M - 1) / M.
        most: Maximum factor.

    Returns:
        ``(M,)``; 1 for a single modality.

    Raises:
        InputError: If the gains are not a non-empty vector.
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
    """Multiply the gradients of parameters in place; parameters without a gradient are skipped."""
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def label_gradient(logits: Tensor, labels: Tensor) -> Tensor:
    """Gradient of cross-entropy with respect to the logits, softmax - one-hot, as a differentiable expression.

    Args:
        logits: ``(n, C)``.
        labels: ``(n,)``, without -1.

    Returns:
        ``(n, C)``.
    """
    return torch.softmax(logits, -1) - one_hot(labels, logits.shape[-1]).to(logits.dtype)


def direction_loss(factors: Tensor, cosines: Tensor) -> Tensor:
    """``L_gm = mean(|B_i| - B_i cos(g_i, g))``: 0 if all gradients have the same direction.

    Args:
        factors: B_i, ``(M,)``.
        cosines: cos(g_i, g), ``(M,)``.

    Returns:
        A scalar.
    """
    return (factors.abs() - factors * cosines).mean()


def cosine(one: Tensor, other: Tensor) -> Tensor:
    """Cosine similarity of two gradients of the same shape, flattened; 0 if either is zero."""
    return cosine_similarity(one.flatten(), other.flatten(), dim=0)
