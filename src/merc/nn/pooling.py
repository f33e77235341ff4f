"""Masked pooling of padded sequences to vectors: mean, maximum, statistics, and attentive statistics.

Symbols: n sequences, S steps of the longest, d numbers of a step. What lies behind the end of one has no influence.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence

from merc.errors import InputError

EPSILON = 1e-5
"""Least variance of a standard deviation, so that it has a gradient."""


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean over the steps that are not padding.

    Args:
        values: ``(..., S, d)``.
        mask: bool ``(..., S)``, False for padding.

    Returns:
        ``(..., d)``; zeros for a sequence of padding only.

    Example:
        >>> import torch
        >>> masked_mean(torch.tensor([[1.0], [3.0], [9.0]]), torch.tensor([True, True, False]))
        tensor([2.])
    """
    share = mask.to(values.dtype)[..., None]  # (..., S, 1)
    return (values * share).sum(-2) / share.sum(-2).clamp_min(1.0)


def masked_max(values: Tensor, mask: Tensor) -> Tensor:
    """Maximum over the steps that are not padding; arguments and result as ``masked_mean``."""
    top = values.masked_fill(~mask[..., None], float("-inf")).amax(-2)
    return torch.where(mask.any(-1)[..., None], top, torch.zeros_like(top))


def masked_statistics(values: Tensor, mask: Tensor, shares: Tensor | None = None) -> Tensor:
    """Mean and standard deviation over the steps that are not padding, end to end.

    Args:
        values: ``(n, S, d)``.
        mask: bool ``(n, S)``, False for padding.
        shares: How much each step counts, ``(n, S, 1)`` or ``(n, S, d)``, 0 in padding; None: all alike.

    Returns:
        ``(n, 2 d)``.

    Example:
        >>> import torch
        >>> masked_statistics(torch.tensor([[[1.0], [3.0], [9.0]]]), torch.tensor([[True, True, False]]))
        tensor([[2., 1.]])
    """
    if shares is None:
        shares = (mask / mask.sum(-1, keepdim=True).clamp_min(1))[..., None]
    mean = (shares * values).sum(-2)
    variance = (shares * values.square()).sum(-2) - mean.square()
    return torch.cat([mean, variance.clamp_min(EPSILON).sqrt()], -1)


class MeanPooling(nn.Module):
    """The mean; ``out`` is the width of what any pooling gives."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = width

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(n, S, d)``, bool ``(n, S)`` -> ``(n, d)``."""
        return masked_mean(values, mask)


class StatisticsPooling(nn.Module):
    """Mean and standard deviation."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.out = 2 * width

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(n, S, d)``, bool ``(n, S)`` -> ``(n, 2 d)``."""
        return masked_statistics(values, mask)


class AttentiveStatistics(nn.Module):
    """Mean and standard deviation, each step weighted by attention (Okabe et al. 2018).

        a_t = softmax_t(v tanh(W h_t + b) + k);  mean = sum a_t h_t;  sd = sqrt(sum a_t h_t^2 - mean^2)

    Args:
        width: d.
        hidden: Width of the scores' layer.
        by_channel: Each number has attention of its own, which also sees mean and standard deviation over all steps
            (Desplanques et al. 2020).
    """

    def __init__(self, width: int, hidden: int = 128, *, by_channel: bool = False) -> None:
        super().__init__()
        self.out, self.by_channel = 2 * width, by_channel
        self.score = nn.Sequential(
            nn.Linear(3 * width if by_channel else width, hidden),
            nn.Tanh(),
            nn.Linear(hidden, width if by_channel else 1),
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(n, S, d)``, bool ``(n, S)`` -> ``(n, 2 d)``."""
        read = values
        if self.by_channel:
            whole = masked_statistics(values, mask)[:, None].expand(-1, values.shape[1], -1)  # (n, S, 2 d)
            read = torch.cat([values, whole], -1)
        scores = self.score(read).float()  # (n, S, 1 or d)
        shares = scores.masked_fill(~mask[..., None], torch.finfo(scores.dtype).min).softmax(1)
        return masked_statistics(values, mask, shares * mask[..., None])


class SeRes2Block(nn.Module):
    """Squeeze-excitation Res2 block over time: dilated convolutions in a chain of channel groups (ECAPA-TDNN).

    Layers are normalised over channels, not over the batch, so that a sequence does not depend on its batch mates.
    """

    def __init__(self, width: int, dilation: int, groups: int = 4) -> None:
        super().__init__()
        part = width // groups
        self.groups = groups
        self.enter, self.leave = nn.Linear(width, width), nn.Linear(width, width)
        self.chain = nn.ModuleList(
            nn.Conv1d(part, part, 3, padding=dilation, dilation=dilation) for _ in range(groups - 1)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.squeeze = nn.Sequential(
            nn.Linear(width, width // 2), nn.ReLU(), nn.Linear(width // 2, width), nn.Sigmoid()
        )

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(n, S, d)``, bool ``(n, S)`` -> ``(n, S, d)``."""
        real = mask[..., None].to(values.dtype)
        parts = list((self.norms[0](F.relu(self.enter(values))) * real).chunk(self.groups, -1))
        for place, layer in enumerate(self.chain, start=1):
            carried = parts[place] + (parts[place - 1] if place > 1 else 0)
            parts[place] = F.relu(layer(carried.transpose(1, 2))).transpose(1, 2) * real
        joined = self.norms[2](F.relu(self.leave(self.norms[1](torch.cat(parts, -1)))))
        weighed: Tensor = joined * self.squeeze(masked_mean(joined, mask))[:, None]
        return values + weighed


class EcapaPooling(nn.Module):
    """ECAPA-TDNN without its front: three SE-Res2 blocks, their states joined, attentive statistics by channel.

    Paper: Desplanques, Thienpondt and Demuynck, Interspeech 2020. "Lite": fewer channels, layer normalisation.
    """

    def __init__(self, width: int, hidden: int = 128, channels: int = 256) -> None:
        super().__init__()
        self.enter = nn.Sequential(nn.Linear(width, channels), nn.ReLU(), nn.LayerNorm(channels))
        self.blocks = nn.ModuleList(SeRes2Block(channels, dilation) for dilation in (2, 3, 4))
        self.join = nn.Sequential(nn.Linear(3 * channels, channels), nn.ReLU())
        self.pool = AttentiveStatistics(channels, hidden, by_channel=True)
        self.out = self.pool.out

    def forward(self, values: Tensor, mask: Tensor) -> Tensor:
        """``(n, S, d)``, bool ``(n, S)`` -> ``(n, 2 channels)``."""
        states, seen = self.enter(values) * mask[..., None], []
        for block in self.blocks:
            states = block(states, mask)
            seen.append(states)
        pooled: Tensor = self.pool(self.join(torch.cat(seen, -1)), mask)
        return pooled


class LayerSum(nn.Module):
    """A learned sum of hidden layers that are laid end to end: one weight for each layer, by softmax.

    Args:
        width: Numbers of all layers together.
        layers: Number of layers.

    Raises:
        InputError: If the width is not a multiple of the layers.

    Example:
        >>> import torch
        >>> LayerSum(6, 3)(torch.tensor([[0.0, 1.0, 3.0, 1.0, 6.0, 1.0]])).tolist()
        [[3.0, 1.0]]
    """

    def __init__(self, width: int, layers: int) -> None:
        super().__init__()
        if layers < 1 or width % layers:
            raise InputError(
                f"{width} numbers in {layers} layers: expected a multiple; state the layers of the encoder"
            )
        self.score = nn.Parameter(torch.zeros(layers))

    def forward(self, values: Tensor) -> Tensor:
        """``(..., layers * d)`` -> ``(..., d)``."""
        layers = values.view(*values.shape[:-1], len(self.score), -1)  # (..., layers, d)
        return (layers * self.score.softmax(0)[:, None]).sum(-2)


class LastState(nn.Module):
    """The last state of an LSTM over a sequence, normalised: d numbers a step, a of the state."""

    def __init__(self, wide: int, width: int) -> None:
        super().__init__()
        self.lstm, self.norm = nn.LSTM(wide, width, batch_first=True), nn.LayerNorm(width)

    def forward(self, steps: Tensor, real: Tensor) -> Tensor:
        """``steps (n, S, d)``, ``real`` bool ``(n, S)`` -> ``(n, a)``, zeros where no step is real."""
        counts = real.sum(1)
        packed = pack_padded_sequence(steps, counts.clamp_min(1).cpu(), batch_first=True, enforce_sorted=False)
        last: Tensor = self.norm(self.lstm(packed)[1][0][-1])
        return last * (counts > 0)[:, None]
