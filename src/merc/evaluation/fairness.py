"""The same figure for each speaker, gender or other group: who a system serves worse, and how sure of that one is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

import numpy as np

from merc.errors import InputError
from merc.evaluation.metrics import figures
from merc.evaluation.resampling import Runs, by_dialogue, estimate
from merc.evaluation.scoring import Answers

_ACTOR = re.compile(r"Ses\d+([FM])")
_KIND = re.compile(r"_(script|impro)")
_KINDS = {"script": "scripted", "impro": "improvised"}
_SEXES = {"F": "female", "M": "male"}
_LEADS = {
    **dict.fromkeys(("Monica", "Phoebe", "Rachel"), "female"),
    **dict.fromkeys(("Chandler", "Joey", "Ross"), "male"),
}


@dataclass(frozen=True, slots=True)
class Small:
    """Minimum size of a group whose figure is reported in a gap."""

    utterances: int = 50  # below this one figure moves by several points with each turn
    dialogues: int = 5  # fewer cannot be drawn again in a way that means something

    def allow(self, group: Group) -> bool:
        """Whether a group is large enough."""
        return group.utterances >= self.utterances and group.dialogues >= self.dialogues

    def __str__(self) -> str:
        return f"below {self.utterances} utterances or {self.dialogues} dialogues a figure says little"


@dataclass(frozen=True, slots=True)
class Group:
    """One group: its utterances and dialogues, the mean figure over seeds, and its interval (None: one dialogue)."""

    name: str
    utterances: int
    dialogues: int
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Fairness:
    """A figure by group, in alphabetical order.

    ``gap`` is that of the best minus the worst group among those that are large enough, with the interval of that
    difference over resampled dialogues (which takes the choice of the two as given, so it is on the narrow side); None
    where fewer than two groups are large enough. ``small`` names the others, which
    are so by ``limits``; ``left_out`` counts utterances without a group.
    """

    metric: str
    groups: tuple[Group, ...]
    best: str | None
    worst: str | None
    gap: float | None
    low: float | None
    high: float | None
    left_out: int
    small: tuple[str, ...] = ()
    limits: Small = Small()


def by_group(
    runs: Runs, names: Sequence[str | None], *, metric: str = "unweighted_recall", small: Small | None = None
) -> Fairness:
    """Measure a system in each group; ``names`` gives that of each utterance in the order of the runs, or None.

    The mean recall of the classes is the default because groups differ in how often each class occurs. Raises
    InputError for another number of names than utterances and where no utterance has a group.
    """
    groups = _groups(runs, names, metric)
    limits = small or Small()
    large = [group for group in groups if limits.allow(group)]
    left_out, little = list(names).count(None), tuple(group.name for group in groups if group not in large)
    if len(large) < 2:
        return Fairness(metric, groups, None, None, None, None, None, left_out, little, limits)
    best, worst = max(large, key=attrgetter("value")), min(large, key=attrgetter("value"))
    low, high = _difference(runs, [[name == one.name for name in names] for one in (best, worst)], metric)
    gap = best.value - worst.value
    return Fairness(metric, groups, best.name, worst.name, gap, low, high, left_out, little, limits)


def _groups(runs: Runs, names: Sequence[str | None], metric: str) -> tuple[Group, ...]:
    if len(names) != len(runs.seeds[0]):
        raise InputError(f"{len(names)} group names for {len(runs.seeds[0])} utterances: expected one each, or None")
    kinds = sorted({name for name in names if name is not None})
    if not kinds:
        raise InputError("no utterance has a group: give at least one a name")
    return tuple(_group(kind, _only(runs, [name == kind for name in names], kind), metric) for kind in kinds)


def by_speaker(runs: Runs, *, metric: str = "unweighted_recall", small: Small | None = None) -> Fairness:
    """Measure a system for each speaker; utterances of unknown speakers are left out."""
    return by_group(runs, runs.seeds[0].speakers, metric=metric, small=small)


def by_gender(runs: Runs, *, metric: str = "unweighted_recall", small: Small | None = None) -> Fairness:
    """Measure a system for women and men: IEMOCAP's actors (``Ses01F``, ``Ses01M``) and the six leads of MELD's series.

    Others are left out, as nothing says their gender.
    """
    return by_group(runs, [_gender(speaker or "") for speaker in runs.seeds[0].speakers], metric=metric, small=small)


def _gender(speaker: str) -> str | None:
    actor = _ACTOR.fullmatch(speaker)
    return _SEXES[actor[1]] if actor else _LEADS.get(speaker)


def by_kind(runs: Runs, *, metric: str = "unweighted_recall", small: Small | None = None) -> Fairness:
    """Measure a system on IEMOCAP's improvised and scripted dialogues apart; the scripts recur in every session.

    Other dialogues are left out.
    """
    kinds = [_kind(name) for name in runs.seeds[0].dialogues]
    return by_group(runs, kinds, metric=metric, small=small)


def _kind(dialogue: str) -> str | None:
    found = _KIND.search(dialogue)
    return _KINDS[found[1]] if found else None


def _group(name: str, part: Runs, metric: str) -> Group:
    found = estimate(part, metric=metric, resamples=1000)
    alone = part.dialogues < 2
    ends = (None, None) if alone else (found.low, found.high)
    return Group(name, len(part.seeds[0]), part.dialogues, found.mean, *ends)


def _only(runs: Runs, chosen: Sequence[bool], name: str) -> Runs:
    """The runs on the chosen utterances alone."""
    mask = np.asarray(chosen)
    return Runs(f"{runs.name}, {name}", tuple(_cut(run, mask) for run in runs.seeds))


def _cut(run: Answers, mask: np.ndarray) -> Answers:
    places = np.flatnonzero(mask)
    return Answers(
        labels=run.labels,
        ids=tuple(run.ids[place] for place in places),
        true=run.true[mask],
        predicted=run.predicted[mask],
        dialogues=tuple(run.dialogues[place] for place in places),
        speakers=tuple(run.speakers[place] for place in places),
    )


def _difference(runs: Runs, masks: Sequence[Sequence[bool]], metric: str) -> tuple[float, float]:
    """The interval of the difference of two groups when all dialogues are drawn again, for both groups at once."""
    everyone = sorted(set(runs.seeds[0].dialogues))
    generator = np.random.default_rng(0)
    times = generator.multinomial(len(everyone), np.full(len(everyone), 1 / len(everyone)), size=1000)
    values = []
    for mask in masks:
        part = _only(runs, mask, "group")
        present = np.searchsorted(everyone, sorted(set(part.seeds[0].dialogues)))
        tables = by_dialogue(part)
        drawn = np.tensordot(times[:, present].astype(np.float64), tables.astype(np.float64), axes=1)
        values.append(figures(drawn, metric).mean(-1))
    low, high = np.nanpercentile(values[0] - values[1], [2.5, 97.5])
    return float(low), float(high)
