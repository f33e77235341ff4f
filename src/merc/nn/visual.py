"""Visual token sequences: spline layers (KAN), token compression, causal convolutions.

Symbols: n sequences, S tokens in each, d width, k tokens kept. Sources: Kolmogorov-Arnold networks, Liu et al. 2024
(arXiv 2404.19756); compression of visual sequences, DeepMSI-MER (arXiv 2502.08573); temporal convolution, Bai et al.
2018 (arXiv 1803.01271).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from merc.errors import InputError


def bsplines(values: Tensor, grid: Tensor, order: int) -> Tensor:
    """B-spline basis functions by the Cox-de Boor recursion.

    Args:
        values: ``(...)``.
        grid: Knots, ``(G,)``.
        order: Order of the splines.

    Returns:
        ``(..., G - order - 1)``, non-negative; they sum to 1 between knot ``order`` and knot ``G - order - 1``.
    """
    x = values[..., None]
    bases = ((x >= grid[:-1]) & (x < grid[1:])).to(values.dtype)
    for level in range(1, order + 1):
        left = (x - grid[: -level - 1]) / (grid[level:-1] - grid[: -level - 1])
        right = (grid[level + 1 :] - x) / (grid[level + 1 :] - grid[1:-level])
        bases = left * bases[..., :-1] + right * bases[..., 1:]
    return bases


class Kan(nn.Module):
    """Kolmogorov-Arnold layer: every connection is a spline, y_o = sum_i (w_oi silu(x_i) + sum_b c_oib B_b(x_i)).

    Args:
        wide: Width of the input.
        width: Width of the output.
        intervals: Intervals of the grid.
        order: Order of the splines.
        reach: The grid spans -reach to reach; inputs are limited to it by ``reach * tanh(x / reach)``.
    """

    grid: Tensor

    def __init__(self, wide: int, width: int, *, intervals: int = 5, order: int = 3, reach: float = 3.0) -> None:
        super().__init__()
        self.order, self.reach = order, reach
        step = 2 * reach / intervals
        knots = torch.arange(-order, intervals + order + 1) * step - reach
        self.register_buffer("grid", knots, persistent=False)
        self.plain = nn.Linear(wide, width)
        self.spline = nn.Parameter(torch.randn(width, wide * (intervals + order)) * 0.1 / math.sqrt(wide))

    def forward(self, values: Tensor) -> Tensor:
        """``(..., wide)`` -> ``(..., width)``."""
        inside = self.reach * torch.tanh(values / self.reach)
        bases = bsplines(inside, self.grid, self.order).flatten(-2)  # (..., wide * bases)
        plain: Tensor = self.plain(F.silu(values))
        return plain + F.linear(bases, self.spline)


def compress(
    tokens: Tensor, real: Tensor, guide: Tensor, *, keep: int, threshold: float, fold: float = 0.1
) -> tuple[Tensor, Tensor, Tensor]:
    """Keep the tokens most similar to a guide vector, and merge similar dropped tokens into them.

    Tokens are ranked by their cosine with the guide; ties are broken by position; the order of the sequence is kept.
    A dropped token whose cosine with its nearest kept token exceeds ``threshold`` is merged:
    kept = (1 - fold) kept + fold mean(share * dropped), where share is the softmax of the cosines with the guide. Kept
    tokens are multiplied by share / detached share, which is 1, so that gradients reach the guide.

    Args:
        tokens: ``(n, S, d)``.
        real: bool ``(n, S)``, False for padding.
        guide: ``(n, d)``.
        keep: Maximum number of tokens, at least 1; k is the minimum of this and S.
        threshold: Minimum cosine of a dropped token that is merged.
        fold: Weight of merged tokens.

    Returns:
        Tokens ``(n, k, d)``, their mask ``(n, k)`` (padding first), and their positions in the input ``(n, k)``.

    Raises:
        InputError: If ``keep`` is below 1.
    """
    if keep < 1:
        raise InputError(f"{keep} tokens to keep; expected 1 or more")
    cosine = F.cosine_similarity(guide[:, None], tokens, dim=-1).masked_fill(~real, -2.0)  # (n, S)
    share = torch.softmax(cosine.masked_fill(~real, -1e4), -1) * real  # (n, S)
    index = cosine.argsort(dim=1, descending=True, stable=True)[:, :keep]
    unreal_first = index + real.gather(1, index) * tokens.shape[1]
    index = unreal_first.sort(dim=1).values % tokens.shape[1]  # (n, k)
    kept = tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[2]))  # (n, k, d)
    kept_real, kept_share = real.gather(1, index), share.gather(1, index)
    dropped = real.scatter(1, index, torch.zeros_like(index, dtype=torch.bool))  # (n, S)
    like = F.cosine_similarity(kept.detach()[:, :, None], tokens.detach()[:, None], dim=-1)  # (n, k, S)
    like = like.masked_fill(~kept_real[..., None], -2.0)
    nearest = F.one_hot(like.argmax(1), kept.shape[1]).mT * (like > threshold) * dropped[:, None]  # (n, k, S)
    kept = _folded(kept, tokens * share[..., None], nearest.to(kept.dtype), fold)
    kept = kept * (kept_share / kept_share.detach().clamp_min(1e-12))[..., None]  # times exactly 1
    return kept * kept_real[..., None], kept_real, index


def _folded(kept: Tensor, weighted: Tensor, nearest: Tensor, fold: float) -> Tensor:
    """Kept tokens ``(n, k, d)`` with the mean of the dropped tokens nearest to them, by ``nearest (n, k, S)``."""
    count = nearest.sum(-1, keepdim=True)  # (n, k, 1)
    return torch.lerp(kept, nearest @ weighted / count.clamp_min(1), fold * (count > 0).to(kept.dtype))


class CausalConvolutions(nn.Module):
    """Residual causal convolutions of kernel 3; with dilations 1, 2, 4 a step depends on 14 steps before it.

    Args:
        width: d.
        dilations: One per convolution.
    """

    def __init__(self, width: int, *, dilations: tuple[int, ...] = (1, 2, 4)) -> None:
        super().__init__()
        self.dilations = dilations
        self.layers = nn.ModuleList(nn.Conv1d(width, width, 3, dilation=dilation) for dilation in dilations)

    def forward(self, steps: Tensor) -> Tensor:
        """``(n, S, d)`` -> ``(n, S, d)``."""
        through = steps.mT  # (n, d, S)
        for layer, dilation in zip(self.layers, self.dilations, strict=True):
            through = through + F.relu(layer(F.pad(through, (2 * dilation, 0))))
        return through.mT
