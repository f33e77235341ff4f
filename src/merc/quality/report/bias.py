"""Who and what a check removed: rates by speaker, emotion and place in the dialogue, and whether they differ.

A filter that removes one emotion or one speaker more than others changes the corpus, not only its quality. Each rate
has its Wilson interval; whether the groups differ is tested with Pearson's chi-squared, and how much with
Cramér's V, corrected for the size of the table (Bergsma 2013, doi:10.1016/j.jkss.2012.10.002).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from merc.evaluation.significance import holm
from merc.options import between

if TYPE_CHECKING:
    import polars as pl

PARTS = ("start", "middle", "end")
"""The thirds of a dialogue, by the position of an utterance among its utterances."""
_FEWEST = 10  # conversations without which an interval over them says nothing


@dataclass(frozen=True, slots=True)
class BiasOptions:
    """How rates of removal are compared; raises InputError out of range."""

    confidence: float = 0.95
    """Of all intervals: what readers expect."""
    expected: float = 5.0
    """Least expected count in each cell, below which chi-squared misleads (Cochran); smaller speakers are pooled."""
    resamples: int = 2000
    """Bootstrap samples over conversations: percentiles at 2.5 % then rest on 50 samples each."""
    seed: int = 0
    """Start of the generator that draws them."""

    def __post_init__(self) -> None:
        between(0.5, 0.999, scope="bias", confidence=self.confidence)
        between(0, 1000, scope="bias", expected=self.expected)
        between(100, 1_000_000, scope="bias", resamples=self.resamples)


@dataclass(frozen=True, slots=True)
class Rate:
    """How many utterances of a group were removed, with the share and its Wilson interval."""

    group: str
    count: int
    removed: int
    rate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Association:
    """Whether removal depends on an attribute.

    ``chi2`` with ``dof`` and ``p`` is Pearson's test, ``holm`` the p value corrected for all attributes asked about;
    ``v`` is Cramér's V in [0, 1] with a bootstrap interval over conversations, None with fewer than ten of them.
    ``sparse`` counts the cells with a small expected count, which make p rough. Where nothing can be tested the numbers
    are None and ``reason`` says why.
    """

    attribute: str
    rates: tuple[Rate, ...]
    chi2: float | None = None
    dof: int | None = None
    p: float | None = None
    holm: float | None = None
    v: float | None = None
    low: float | None = None
    high: float | None = None
    sparse: int = 0
    reason: str | None = None


def removal_bias(
    verified: pl.DataFrame, findings: pl.DataFrame, *, options: BiasOptions | None = None
) -> tuple[Association, ...]:
    """Compare the rates of removal between emotions, thirds of the dialogue and speakers, in this order.

    ``findings`` gives the place of each utterance. Utterances without the attribute are left out of its comparison;
    speakers too rare to be tested alone are one group, "N others".
    """
    import polars as pl

    options = options or BiasOptions()
    places = findings.group_by("utterance").agg(pl.col("position").first(), pl.col("length").first())
    table = verified.join(places, on="utterance", how="left").sort("utterance")
    removed = (table["verdict"] == "remove").to_numpy()
    conversations = np.unique(table["conversation"].fill_null("").to_numpy(), return_inverse=True)[1]
    columns = {
        "emotion": table["label"].to_list(),
        "position": [third(*place) for place in table.select("position", "length").iter_rows()],
        "speaker": pooled(table["speaker"].to_list(), removed, least=options.expected),
    }
    found = [compare(name, groups, removed, conversations, options=options) for name, groups in columns.items()]
    return corrected(found)


def third(position: int | None, length: int | None) -> str | None:
    """The third of a dialogue of ``length`` utterances that a position from 0 lies in; None when unknown."""
    if position is None or not length or not 0 <= position < length:
        return None
    return PARTS[3 * position // length]


def wilson(removed: int, count: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson's score interval of a share (1927); (0, 1) when nothing was counted."""
    from scipy.stats import norm

    if not count:
        return 0.0, 1.0
    z = float(norm.ppf(0.5 + confidence / 2))
    share = removed / count
    centre = share + z * z / (2 * count)
    spread = z * float(np.sqrt(share * (1 - share) / count + z * z / (4 * count * count)))
    scale = 1 + z * z / count
    low, high = (centre - spread) / scale, (centre + spread) / scale
    return (0.0 if removed == 0 else low), (1.0 if removed == count else high)


def pooled(groups: Sequence[str | None], removed: np.ndarray, *, least: float) -> list[str | None]:
    """Put the groups whose expected counts of removed or kept utterances are below ``least`` into one, "N others"."""
    known = {row: group for row, group in enumerate(groups) if group is not None}
    if not known:
        return list(groups)
    share = float(np.mean(removed[list(known)]))
    counts = Counter(known.values())
    small = {name for name, count in counts.items() if count * min(share, 1 - share) < least}
    if len(small) < 2:
        return list(groups)
    return [f"{len(small)} others" if group in small else group for group in groups]


def compare(
    attribute: str,
    groups: Sequence[str | None],
    removed: np.ndarray,
    conversations: np.ndarray,
    *,
    options: BiasOptions,
) -> Association:
    """Rates by group and whether they differ: ``removed`` (n,) bool, ``conversations`` (n,) int from 0.

    Groups are ordered by rate, the highest first; thirds of the dialogue keep their order.
    """
    known = np.array([group is not None for group in groups], bool)
    names = sorted({group for group in groups if group is not None}, key=lambda name: (_place(name), name))
    index = np.array([names.index(group) for group in groups if group is not None], np.int64)
    counts = _counts(index, removed[known], conversations[known], len(names))  # (conversations, groups, 2)
    table = counts.sum(axis=0)
    rates = [_rate(name, row, options.confidence) for name, row in zip(names, table, strict=True)]
    rates.sort(key=lambda rate: (_place(rate.group), -rate.rate, rate.group))
    if reason := _untestable(table):
        return Association(attribute, tuple(rates), reason=reason)
    return _tested(attribute, tuple(rates), counts, options)


def corrected(found: Sequence[Association]) -> tuple[Association, ...]:
    """Give each association its p value after Holm's correction for all that were tested."""
    tested = [one.p for one in found if one.p is not None]
    adjusted = iter(holm(tested))
    return tuple(replace(one, holm=None if one.p is None else next(adjusted)) for one in found)


def cramers_v(tables: np.ndarray, *, noise: int = 1) -> np.ndarray:
    """Bias-corrected Cramér's V of contingency tables (…, groups, 2), each in [0, 1]; 0 where a margin is empty.

    ``noise`` is how often the chance part, dof / (n − 1), is taken off: once for a table of observations, twice for
    one that was resampled from observations.
    """
    tables = np.asarray(tables, np.float64)
    total = tables.sum(axis=(-2, -1))
    rows, columns = tables.sum(axis=-1, keepdims=True), tables.sum(axis=-2, keepdims=True)
    expected = rows * columns / np.maximum(total, 1)[..., None, None]
    terms = np.divide((tables - expected) ** 2, expected, out=np.zeros_like(tables), where=expected > 0)
    used = np.maximum((rows > 0).sum(axis=(-2, -1)), 1)
    shown = np.maximum((columns > 0).sum(axis=(-2, -1)), 1)
    rest = np.maximum(total - 1, 1)
    phi2 = np.maximum(0, terms.sum(axis=(-2, -1)) / np.maximum(total, 1) - noise * (used - 1) * (shown - 1) / rest)
    most = np.minimum(used - (used - 1) ** 2 / rest, shown - (shown - 1) ** 2 / rest) - 1
    v: np.ndarray = np.sqrt(np.clip(np.divide(phi2, most, out=np.zeros_like(phi2), where=most > 0), 0, 1))
    return v


def _tested(attribute: str, rates: tuple[Rate, ...], counts: np.ndarray, options: BiasOptions) -> Association:
    from scipy.stats import chi2_contingency

    table = counts.sum(axis=0)
    result = chi2_contingency(table, correction=False)
    low, high = _interval(counts, options)
    return Association(
        attribute,
        rates,
        chi2=float(result.statistic),
        dof=int(result.dof),
        p=float(result.pvalue),
        v=float(cramers_v(table)),
        low=low,
        high=high,
        sparse=int((result.expected_freq < options.expected).sum()),
    )


def _interval(counts: np.ndarray, options: BiasOptions) -> tuple[float, float] | tuple[None, None]:
    """Percentiles of V over bootstrap samples of whole conversations: what one shares is not independent.

    None where there are so few that their samples are all alike and the interval would look certain.
    """
    if len(counts) < _FEWEST:
        return None, None
    generator = np.random.default_rng(options.seed)
    flat, drawn = counts.reshape(len(counts), -1), []
    for first in range(0, options.resamples, 200):
        size = min(200, options.resamples - first)
        times = generator.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=size)
        drawn.append(cramers_v((times @ flat).reshape(size, *counts.shape[1:]), noise=2))
    tail = (1 - options.confidence) / 2
    low, high = np.quantile(np.concatenate(drawn), [tail, 1 - tail])
    return float(low), float(high)


def _counts(index: np.ndarray, removed: np.ndarray, conversations: np.ndarray, groups: int) -> np.ndarray:
    places = np.unique(conversations, return_inverse=True)[1]
    counts = np.zeros((int(places.max(initial=-1)) + 1, groups, 2))
    np.add.at(counts, (places, index, removed.astype(np.int64)), 1)
    return counts


def _rate(name: str, row: np.ndarray, confidence: float) -> Rate:
    kept, removed = int(row[0]), int(row[1])
    count = kept + removed
    return Rate(name, count, removed, removed / count, *wilson(removed, count, confidence=confidence))


def _untestable(table: np.ndarray) -> str | None:
    if len(table) < 2:
        return "fewer than two groups"
    kept, removed = table.sum(axis=0)
    if not removed:
        return "nothing was removed"
    return None if kept else "everything was removed"


def _place(name: str) -> int:
    return PARTS.index(name) if name in PARTS else 0
