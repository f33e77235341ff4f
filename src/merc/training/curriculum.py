"""Easy dialogues first: difficulty from shifts of emotion, buckets, and which dialogues an epoch trains on.

Source: the curriculum of LSDGNN (Li et al. 2025, arXiv 2507.15205) and of PRC-Emo (Li et al. 2025). The emotions stand
on the unit circle of valence (cosine) and arousal (sine), neutral in its centre; a shift between two emotions weighs
more the more alike they are, as it is then harder to see:

    WES = k * similarity + b,   DIF = (sum of WES over the shifts + speakers) / (labelled utterances + speakers)

Dialogues are sorted by DIF into buckets; epoch e trains on buckets 1 .. min(e, n) ("baby steps").
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import Protocol

import numpy as np

from merc.errors import InputError, UnknownName
from merc.labels import common_name
from merc.options import at_least

_STEP = math.pi / 20
ANGLES: Mapping[str, float] = MappingProxyType(
    {
        "positive": 0.0,
        "joy": 3 * _STEP,
        "powerful": 5 * _STEP,
        "excited": 7 * _STEP,
        "surprise": 9 * _STEP,
        "anger": 11 * _STEP,
        "disgust": 17 * _STEP,
        "fear": 19 * _STEP,
        "negative": 20 * _STEP,
        "frustrated": 21 * _STEP,
        "sadness": 29 * _STEP,
        "peaceful": 37 * _STEP,
    }
)
"""Where an emotion stands on the circle, in radians from pure pleasure; the sources do not have positive,
negative, powerful and peaceful, whose places are our choice."""
_CENTRE = frozenset({"neutral", "other"})  # neither pleasant nor unpleasant, as far as is known


class Dialogue(Protocol):
    """What the curriculum looks at: of each turn its label (None: not labelled) and who speaks."""

    @property
    def labels(self) -> Sequence[str | None]:
        """Label names in order of the turns."""
        ...

    @property
    def speakers(self) -> Sequence[str | int]:
        """Who speaks, as many as labels."""
        ...


@dataclass(frozen=True, slots=True)
class Turns:
    """A ``Dialogue`` that holds its labels and speakers."""

    labels: tuple[str | None, ...]
    speakers: tuple[str | int, ...]

    def __post_init__(self) -> None:
        if len(self.labels) != len(self.speakers):
            raise InputError(
                f"a dialogue has {len(self.labels)} labels but {len(self.speakers)} speakers; give one each"
            )


@dataclass(frozen=True, slots=True)
class CurriculumOptions:
    """How hard a dialogue is, and how fast training comes to the hard ones."""

    measure: str = "weighted_shift"  # a name in MEASURES
    buckets: int = 5  # the source: 5 for IEMOCAP, 12 for MELD
    factor: float = 1.0  # k: what full similarity adds to a shift; negative: unlike emotions count as harder
    base: float = 0.4  # b: what any shift weighs
    seed: int = 0  # of the order within an epoch

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise UnknownName(f"no difficulty measure '{self.measure}'; there are {', '.join(sorted(MEASURES))}")
        at_least(1, scope="curriculum", buckets=self.buckets, hint=" (1: all dialogues at once)")
        at_least(0, scope="curriculum", seed=self.seed)


def similarity(first: str, second: str, classes: int) -> float:
    """How alike two emotions are, 0 to 1, in a set of ``classes`` labels.

    The cosine of their angle where both are pleasant or both unpleasant, never below 0; 0 where one is pleasant and
    the other not; 1 / classes where either is neutral; 1 for an emotion and itself. Raises UnknownName for a label
    that has no place on the circle.
    """
    if first == second:
        return 1.0
    if not _CENTRE.isdisjoint((common_name(first), common_name(second))):
        return 1 / classes
    one, other = _angle(first), _angle(second)
    if (math.cos(one) > 0) != (math.cos(other) > 0):
        return 0.0
    return max(math.cos(one - other), 0.0)


def _angle(label: str) -> float:
    name = common_name(label)
    if name not in ANGLES:
        known = ", ".join(sorted([*_CENTRE, *ANGLES]))
        raise UnknownName(f"label '{label}' has no place among the emotions; use measure 'shift', or one of {known}")
    return ANGLES[name]


def _own_shifts(turns: Dialogue) -> Iterator[tuple[str, str]]:
    """From one labelled turn of a speaker to the next labelled turn of the same speaker, where the label changes."""
    last: dict[str | int, str] = {}
    for label, speaker in zip(turns.labels, turns.speakers, strict=True):
        if label is None:
            continue
        if last.get(speaker, label) != label:
            yield last[speaker], label
        last[speaker] = label


def _crossing_shifts(turns: Dialogue) -> Iterator[tuple[str, str]]:
    """Between turns that follow each other, of different speakers, where the label changes."""
    for (one, who), (other, whom) in pairwise(zip(turns.labels, turns.speakers, strict=True)):
        if one is not None and other is not None and who != whom and one != other:
            yield one, other


def _difficulty(turns: Dialogue, weight: Callable[[str, str], float], *, across: bool) -> float:
    people = len(set(turns.speakers))
    shifts = [*_own_shifts(turns), *(_crossing_shifts(turns) if across else ())]
    said = sum(label is not None for label in turns.labels)
    if said + people == 0:
        raise InputError("a dialogue without turns has no difficulty; leave it out before training")
    return (math.fsum(weight(*shift) for shift in shifts) + people) / (said + people)


def shift(turns: Dialogue, classes: int, *, factor: float = 1.0, base: float = 0.4) -> float:
    """Difficulty by the number of a speaker's own shifts, all alike; works with any labels; factor, base: unused."""
    del classes, factor, base
    return _difficulty(turns, lambda one, other: 1.0, across=False)


def weighted_shift(turns: Dialogue, classes: int, *, factor: float = 1.0, base: float = 0.4) -> float:
    """Difficulty by the speakers' own shifts, weighted by similarity: the measure of LSDGNN."""
    return _difficulty(turns, lambda one, other: factor * similarity(one, other, classes) + base, across=False)


def weighted_shift_across(turns: Dialogue, classes: int, *, factor: float = 1.0, base: float = 0.4) -> float:
    """Difficulty by own shifts and by those from one speaker to the next: the measure of PRC-Emo."""
    return _difficulty(turns, lambda one, other: factor * similarity(one, other, classes) + base, across=True)


class Measure(Protocol):
    """A difficulty: a dialogue and the number of classes to a number, larger is harder."""

    def __call__(self, turns: Dialogue, classes: int, *, factor: float, base: float) -> float:
        """Give the difficulty."""
        ...


MEASURES: Mapping[str, Measure] = MappingProxyType(
    {"shift": shift, "weighted_shift": weighted_shift, "weighted_shift_across": weighted_shift_across}
)
"""Difficulty measures by the name that options and recipes use."""


def difficulties(dialogues: Sequence[Dialogue], options: CurriculumOptions | None = None) -> list[float]:
    """The difficulty of each dialogue; the number of classes is that of the labels that occur in them."""
    options = options or CurriculumOptions()
    classes = len({label for turns in dialogues for label in turns.labels if label is not None})
    measure = MEASURES[options.measure]
    return [measure(turns, classes, factor=options.factor, base=options.base) for turns in dialogues]


def buckets(difficulty: Sequence[float], count: int) -> list[list[int]]:
    """Positions sorted from easy to hard and cut into ``count`` parts of nearly equal size.

    Equal difficulties keep their order. Fewer dialogues than buckets: one bucket for each.
    """
    ranked = sorted(range(len(difficulty)), key=lambda position: difficulty[position])
    return [part.tolist() for part in np.array_split(np.asarray(ranked, dtype=np.int64), min(count, len(ranked)) or 1)]


def order(dialogues: Sequence[Dialogue], options: CurriculumOptions, epoch: int) -> list[int]:
    """Positions of the dialogues that this epoch (the first is 1) trains on, shuffled by the seed and the epoch.

    The set only grows: epoch e holds buckets 1 .. min(e, n). A dialogue without any label teaches nothing and is left
    out. Raises InputError for an epoch below 1 and where no dialogue has a label.
    """
    if epoch < 1:
        raise InputError(f"epoch {epoch}; a curriculum counts epochs from 1")
    useful = [place for place, turns in enumerate(dialogues) if any(label is not None for label in turns.labels)]
    if not useful:
        raise InputError("no dialogue has a label: there is nothing to order from easy to hard")
    hard = difficulties([dialogues[place] for place in useful], options)
    open_now = [useful[place] for part in buckets(hard, options.buckets)[:epoch] for place in part]
    shuffled = np.random.default_rng([options.seed, epoch]).permutation(len(open_now))
    return [open_now[place] for place in shuffled]
