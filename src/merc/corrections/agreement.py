"""Agreement of two annotators, or of a person with the model, on the labels of utterances.

Symbols: N utterances that both have labelled, n_c how often label c was given by either, n = 2N.
Krippendorff's alpha = 1 - D_o / D_e with D_o the share of utterances with different labels and
D_e = 1 - sum_c n_c (n_c - 1) / (n (n - 1)) (nominal; Krippendorff 2011). Cohen's kappa = (p_o - p_e) / (1 - p_e) with
p_o the share of utterances with equal labels and p_e = sum_c a_c b_c / N^2, a_c and b_c how often each gave label c.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from merc.conversation import Recording, Timeline, Utterance
from merc.errors import InputError

Pair: TypeAlias = tuple[str, str]
"""The label of one annotator, and that of the other."""

NO_LABEL = "no label"
_LEAST = 0.5  # of the time that two utterances cover together, which must be common to both
_DRAWS, _SEED = 1000, 0
_DEFINED = 0.9  # of the draws, which must hold two labels for an interval
_NEVER = (np.nan, np.nan)


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two sets of labels agree.

    Args:
        pairs: Labels of the utterances that both have.
        ids: Ids of these utterances in the first timeline.
        unmatched: Utterances that only one has, of each.
        agreed: Share of utterances with the same label.
        kappa: Cohen's kappa; None if it is not defined, because only one label was given.
        alpha: Krippendorff's alpha; None likewise.
        recordings: Names of the two recordings, if they are not the same file; None: they are, or one is anonymised.
        interval: 95 % interval of alpha, by resampling utterances 1,000 times; None likewise, or if there are too few.
    """

    pairs: tuple[Pair, ...]
    ids: tuple[str, ...]
    unmatched: tuple[int, int]
    agreed: float
    kappa: float | None
    alpha: float | None
    interval: tuple[float, float] | None
    recordings: tuple[str, str] | None = None

    def record(self) -> dict[str, Any]:
        """The figures as JSON holds them; of the pairs, how often each occurs, and where they differ."""
        return {
            "utterances": len(self.pairs),
            "unmatched": self.unmatched,
            "agreed": self.agreed,
            "kappa": self.kappa,
            "alpha": self.alpha,
            "interval": self.interval,
            "recordings": self.recordings,
            "pairs": [[*pair, count] for pair, count in sorted(Counter(self.pairs).items())],
            "different": [[name, *pair] for name, pair in zip(self.ids, self.pairs, strict=True) if pair[0] != pair[1]],
        }


def agreement(
    one: Timeline, other: Timeline, *, unlabelled: bool = False, by_hand: tuple[bool, bool] = (False, False)
) -> Agreement:
    """Compare the labels of two timelines of one recording.

    Utterances are matched by id and time: those of one id if they have half of their time in common, else the pair
    with the most time in common, if it is half of what they cover together.

    Args:
        one: One layer, such as ``timeline.corrected``.
        other: One layer of another annotator, or of the model.
        unlabelled: Whether "no label" is a label; otherwise utterances without a label on either side are left out.
        by_hand: Of each timeline, whether only labels count that a person set or rejected.

    Raises:
        InputError: If there is nothing to compare.
    """
    places = matched(one.utterances, other.utterances)
    if not places:
        raise InputError(
            f"{one.recording.name} and {other.recording.name}: no utterance is in both; expected results of one "
            "recording"
        )
    guesses = ((one.utterances[a].id, one.predictions[a], other.predictions[b]) for a, b in places)
    counted = [
        row for row in guesses if (row[1].correction or not by_hand[0]) and (row[2].correction or not by_hand[1])
    ]
    nothing = f"{one.recording.name}: of {len(places)} utterances none has a label"
    if not counted:
        raise InputError(f"{nothing} that people set or rejected: compare all labels")
    none = NO_LABEL if unlabelled else ""
    labels = [(name, (a.label or none, b.label or none)) for name, a, b in counted]
    both = [(name, pair) for name, pair in labels if all(pair)]
    if not both:
        raise InputError(f"{nothing} on both sides; --unlabelled (unlabelled=true) counts '{NO_LABEL}' as one")
    pairs = tuple(pair for _, pair in both)
    return Agreement(
        pairs,
        tuple(name for name, _ in both),
        (len(one) - len(places), len(other) - len(places)),
        sum(a == b for a, b in pairs) / len(pairs),
        cohens_kappa(pairs),
        krippendorffs_alpha(pairs),
        _interval(pairs),
        _two(one.recording, other.recording),
    )


def _two(one: Recording, other: Recording) -> tuple[str, str] | None:
    differ = one.sha256 and other.sha256 and one.sha256 != other.sha256
    return (one.name, other.name) if differ else None


def matched(one: Sequence[Utterance], other: Sequence[Utterance]) -> list[tuple[int, int]]:
    """Indices of utterances that are the same, each at most once, in order of the first."""
    untimed = {b.id: j for j, b in enumerate(other) if b.segment is None}
    starts, ends = np.array([(b.segment.start, b.segment.end) if b.segment else _NEVER for b in other]).reshape(-1, 2).T
    shared = []
    for i, a in enumerate(one):
        if a.segment is None:
            shared += [(False, -1.0, i, untimed[a.id])] if a.id in untimed else []
            continue
        both = np.minimum(ends, a.segment.end) - np.maximum(starts, a.segment.start)
        common = both / (ends - starts + a.segment.duration - both)
        shared += [(a.id != other[j].id, -common[j], i, j) for j in np.flatnonzero(common >= _LEAST).tolist()]
    found: dict[int, int] = {}
    taken = set()
    for _, _, i, j in sorted(shared):
        if i not in found and j not in taken:
            found[i] = j
            taken.add(j)
    return sorted(found.items())


def krippendorffs_alpha(pairs: Sequence[Pair]) -> float | None:
    """Krippendorff's alpha for nominal labels of two annotators without gaps; None if only one label was given.

    Example:
        >>> round(krippendorffs_alpha([("joy", "joy"), ("joy", "anger"), ("anger", "anger")]), 3)
        0.444
    """
    observed = sum(a != b for a, b in pairs) / len(pairs)
    counts = Counter(label for pair in pairs for label in pair)
    n = 2 * len(pairs)
    expected = 1 - sum(count * (count - 1) for count in counts.values()) / (n * (n - 1))
    return 1 - observed / expected if expected > 0 else None


def cohens_kappa(pairs: Sequence[Pair]) -> float | None:
    """Cohen's kappa; None if only one label was given.

    Example:
        >>> round(cohens_kappa([("joy", "joy"), ("joy", "anger"), ("anger", "anger")]), 3)
        0.4
    """
    ones, others = (Counter(labels) for labels in zip(*pairs, strict=True))
    chance = sum(count * others[label] for label, count in ones.items()) / len(pairs) ** 2
    observed = sum(a == b for a, b in pairs) / len(pairs)
    return (observed - chance) / (1 - chance) if len({*ones, *others}) > 1 else None


def _interval(pairs: Sequence[Pair]) -> tuple[float, float] | None:
    """None also where too many draws have one label alone: those that are left would say too little of agreement."""
    labels = sorted({label for pair in pairs for label in pair})
    given = np.array([[pair.count(label) for label in labels] for pair in pairs])  # (N, C), how often
    differ = np.array([a != b for a, b in pairs])
    draws = np.random.default_rng(_SEED).integers(len(pairs), size=(_DRAWS, len(pairs)))
    counts = np.array([given[draw].sum(0) for draw in draws])  # (draws, C), n_c
    n = 2 * len(pairs)
    expected = 1 - (counts * (counts - 1)).sum(1) / (n * (n - 1))
    found = 1 - differ[draws].mean(1)[expected > 0] / expected[expected > 0]
    if len(found) < _DEFINED * _DRAWS:
        return None
    low, high = np.quantile(found, (0.025, 0.975))
    return float(low), float(high)
