"""Losses on the order of scores in lists: RankList, RankNet, ListNet, ListMLE.

Each reads L lists of n scores at once; targets are NaN where absent, and a list without a pair that can be compared
adds nothing. All depend on differences of scores alone, so that gradients of a list sum to zero.

Symbols: L lists, n items, s scores, t targets, W the least difference of two targets that are compared (never ties),
k the skip between two places of a list in the order of its targets, K the largest.

    >>> import torch
    >>> scores, targets = torch.tensor([[0.0, -1.0, -1.5, -1.3]]), torch.tensor([[4.0, 3.0, 2.0, 1.0]])
    >>> [round(float(ranklist(scores, targets, skips=1, form=form)), 5) for form in ("sum", "lse")]
    [1.58548, 1.16184]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor
from torch.nn.functional import pad, softplus

from merc.options import at_least, one_of

FORMS = ("lse", "sum")
WEIGHTS = ("equal", "decay")


def ranklist(
    scores: Tensor,
    targets: Tensor,
    *,
    skips: int | None = None,
    margin: float = 0.0,
    form: str = "lse",
    weights: str = "equal",
) -> Tensor:
    """RankList (after Naini et al. 2025): items of a list compared at skips 1 to K in the order of their targets.

    Skip k has ``sum_i log(1 + exp(-(s_i - s_{i+k})))``, or in the closed form ``log(1 + sum_i exp(-(s_i - s_{i+k})))``,
    which is never larger, and equal for one pair. The paper's abstract gives no formula: this one is ours.

    Args:
        scores: ``(L, n)``.
        targets: ``(L, n)``, NaN where absent.
        skips: K; None: n - 1, all pairs.
        margin: W.
        form: "lse" (the closed form) or "sum".
        weights: Of the skips: "equal" (1), or "decay" (1 / k).

    Returns:
        A scalar, the mean over lists that have a pair.

    Raises:
        InputError: For K below 1, a margin below 0, or another form or weighting.
    """
    one_of(FORMS, scope="ranklist", form=form)
    one_of(WEIGHTS, scope="ranklist", weights=weights)
    at_least(0, scope="ranklist", margin=margin)
    most = max(scores.shape[1] - 1, 1)
    at_least(1, scope="ranklist", skips=most if skips is None else skips)
    skip = torch.arange(1, min(most if skips is None else skips, most) + 1, device=scores.device)  # (K,)
    apart, compared = _in_order(scores, targets, skip, margin)  # (L, K, n) each
    if form == "lse":
        worse = (-apart).masked_fill(~compared, float("-inf"))
        each = torch.logsumexp(pad(worse, (1, 0)), -1)  # (L, K); log(1 + sum), as the padding is a zero
    else:
        each = (softplus(-apart) * compared).sum(-1)
    factors = torch.ones_like(each[0]) if weights == "equal" else 1 / skip.to(each.dtype)
    return _mean(each @ factors, compared.any(-1).any(-1))


def ranknet(scores: Tensor, targets: Tensor, *, margin: float = 0.0) -> Tensor:
    """RankNet (Burges et al. 2005): mean of ``log(1 + exp(-(s_i - s_j)))`` over the pairs of a list, ``t_i > t_j``.

    Arguments and result as for `ranklist`.
    """
    ahead = _ahead(targets, margin)  # (L, n, n)
    each = softplus(scores[:, None, :] - scores[:, :, None]) * ahead
    pairs = ahead.sum((1, 2))
    return _mean(each.sum((1, 2)) / pairs.clamp_min(1), pairs > 0)


def listnet(scores: Tensor, targets: Tensor, *, temperature: float = 1.0) -> Tensor:
    """ListNet (Cao et al. 2007): cross-entropy of the chances of being first, by the targets and by the scores.

    Args:
        scores: ``(L, n)``.
        targets: ``(L, n)``, NaN where absent.
        temperature: Divides the targets.

    Returns:
        A scalar, the mean over lists of two items or more.
    """
    known = ~targets.isnan()
    least = torch.finfo(scores.dtype).min
    wanted = torch.softmax((targets / temperature).masked_fill(~known, least), -1)  # (L, n)
    shares = torch.log_softmax(scores.masked_fill(~known, least), -1).masked_fill(~known, 0.0)
    return _mean(-(wanted * shares).sum(-1), known.sum(-1) > 1)


def listmle(scores: Tensor, targets: Tensor, *, margin: float = 0.0) -> Tensor:
    """ListMLE (Xia et al. 2008): minus the log-likelihood of the order of the targets, a mean over items.

    An item is compared with those behind it by more than the margin: items of equal targets have no order.
    Arguments and result as for `ranklist`.
    """
    ahead = _ahead(targets, margin)  # (L, n, n)
    itself = torch.eye(scores.shape[1], dtype=torch.bool, device=scores.device)
    rivals = scores[:, None, :].masked_fill(~(ahead | itself), float("-inf"))  # (L, n, n)
    each = (torch.logsumexp(rivals, -1) - scores) * ahead.any(-1)  # (L, n)
    counted = ahead.any(-1).sum(-1)
    return _mean(each.sum(-1) / counted.clamp_min(1), counted > 0)


RANK_LOSSES: Mapping[str, Callable[..., Tensor]] = MappingProxyType(
    {"ranklist": ranklist, "ranknet": ranknet, "listnet": listnet, "listmle": listmle}
)
"""Losses of lists by name."""


def in_lists(values: Tensor, length: int) -> Tensor:
    """Rows cut into lists: ``(N, A)`` -> ``(A · lists, length)``, NaN behind the last row.

    Args:
        values: ``(N, A)``; each column makes lists of its own.
        length: Items of a list.

    Example:
        >>> import torch
        >>> in_lists(torch.tensor([[1.0], [2.0], [3.0]]), 2)
        tensor([[1., 2.],
                [3., nan]])
    """
    missing = -len(values) % length
    return pad(values, (0, 0, 0, missing), value=float("nan")).T.reshape(-1, length)


def _in_order(scores: Tensor, targets: Tensor, skip: Tensor, margin: float) -> tuple[Tensor, Tensor]:
    """Differences of scores at each skip in the order of the targets ``(L, K, n)``, and which pairs are compared."""
    order = torch.argsort(targets.nan_to_num(float("-inf")), dim=1, descending=True, stable=True)  # absent ones last
    s, t = scores.gather(1, order), targets.gather(1, order)  # (L, n)
    place = torch.arange(scores.shape[1], device=scores.device)
    behind = place + skip[:, None]  # (K, n)
    inside = behind < scores.shape[1]
    behind = behind.clamp_max(scores.shape[1] - 1)
    gap = t[:, None] - t[:, behind]  # (L, K, n)
    compared = inside & (gap > 0) & (gap >= margin)  # NaN is neither
    return (s[:, None] - s[:, behind]).masked_fill(~compared, 0.0), compared


def _ahead(targets: Tensor, margin: float) -> Tensor:
    """Whether item i of a list is ahead of item j: bool ``(L, n, n)``; NaN is ahead of nothing."""
    gap = targets[:, :, None] - targets[:, None, :]
    return (gap > 0) & (gap >= margin)


def _mean(each: Tensor, counted: Tensor) -> Tensor:
    """Mean over the lists that count, ``(L,)`` each; zero, still connected to the graph, where none does."""
    return (each * counted).sum() / counted.sum().clamp_min(1)
