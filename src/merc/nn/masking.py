"""Masks of spans for masked prediction and for augmentation (wav2vec 2.0, HuBERT, data2vec 2.0, SpecAugment).

Symbols: B sequences, S steps of the longest of them, d features of a step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from merc.options import at_least, share


def span_masks(
    real: Tensor, *, probability: float, length: int, minimum: int = 0, generator: torch.Generator
) -> Tensor:
    """Mask spans of steps; padding is never masked, and of two or more steps at least one stays.

    A sequence of n steps gets ``probability · n / length`` spans, rounded up or down at random, at distinct starts;
    they may overlap. In one that is shorter than two spans, a span is half of it.

    Args:
        real: bool ``(B, S)`` on the CPU, False for padding.
        probability: Share of the steps that spans would cover if none overlapped.
        length: Steps of a span.
        minimum: Spans of a sequence at least, where there is room.
        generator: Source of random numbers.

    Returns:
        bool ``(B, S)``, True where masked.

    Raises:
        InputError: A probability outside [0, 1], a length below 1, a minimum below 0.

    Example:
        >>> import torch
        >>> real = torch.ones(1, 20, dtype=torch.bool)
        >>> masked = span_masks(real, probability=0.5, length=5, generator=torch.Generator().manual_seed(0))
        >>> 5 <= int(masked.sum()) <= 10
        True
    """
    share(probability=probability)
    at_least(1, length=length)
    at_least(0, minimum=minimum)
    masked = torch.zeros_like(real)
    for row, steps in zip(masked, real, strict=True):
        places = steps.nonzero()[:, 0]
        count = len(places)
        span = min(length, count // 2)
        if not span:
            continue
        wanted = int(probability * count / length + float(torch.rand(1, generator=generator)))
        spans = min(max(wanted, minimum), (count - 1) // span)
        starts = torch.randperm(count - span + 1, generator=generator)[:spans]  # (spans,)
        row[places[(starts[:, None] + torch.arange(span)).flatten()]] = True
    return masked


def feature_masks(
    batch: int, width: int, *, probability: float, length: int, minimum: int = 0, generator: torch.Generator
) -> Tensor:
    """Mask spans of features for all steps of a sequence: bool ``(B, d)``; arguments as for ``span_masks``."""
    every = torch.ones(batch, width, dtype=torch.bool)
    return span_masks(every, probability=probability, length=length, minimum=minimum, generator=generator)
