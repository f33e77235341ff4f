"""Conversations drawn from acted utterances, and the trust that a head earns in them.

Acted corpora have each person in each mood equally often. In a conversation a person is mostly neutral, says few
things, or has one mood throughout; heads are trained, measured and weighed on draws of these kinds.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from merc.corpora import CORPORA
from merc.errors import InputError
from merc.evaluation.calibration import fit_trust, trusted_loss
from merc.heads.mlp import CLASSES
from merc.labels import EKMAN7

HALF_NEUTRAL, ONE_MOOD, FEW = "half neutral", "one mood", "few"
KINDS = (HALF_NEUTRAL, ONE_MOOD, FEW)
"""Half of the utterances neutral, the others of all labels alike; one label throughout; some of the first kind."""
LONGEST = 20
"""Utterances of a person at most."""
FEWEST = (1, 2, 3, 5)
"""Numbers of utterances of the kind "few"."""

_NEUTRAL = EKMAN7.index("neutral")


def conversation_prior() -> np.ndarray:
    """The shares of the labels in conversation ``(7,)``: the published counts of MELD's training part."""
    counts = CORPORA["meld"].counts
    found = np.array([counts[f"train {label}"] for label in EKMAN7], dtype=np.float64)
    shares: np.ndarray = found / found.sum()
    return shares


@dataclass(frozen=True, slots=True)
class Drawn:
    """The utterances of one person in a conversation: what kind it is, and their positions among all."""

    kind: str
    person: Hashable
    rows: np.ndarray


def drawn(classes: np.ndarray, people: Sequence[Hashable], *, seed: int, each: int = 4) -> list[Drawn]:
    """Conversations of each person: ``each`` that are half neutral, ``each`` of each of ``FEWEST``, one of each mood.

    Args:
        classes: ``(n,)``, numbers in EKMAN7.
        people: Who each utterance belongs to.
        seed: Of the draws; those of a person depend on that person alone.
        each: Draws of a kind.

    Raises:
        InputError: for lengths that differ.
    """
    if len(classes) != len(people):
        raise InputError(f"{len(classes)} classes, {len(people)} people: expected one person for each")
    rows: dict[Hashable, list[int]] = {}
    for row, person in enumerate(people):
        rows.setdefault(person, []).append(row)
    found: list[Drawn] = []
    for person, own in rows.items():
        random = np.random.default_rng(seed)
        found += _of_person(person, np.array(own), classes, random, each)
    return found


def _of_person(
    person: Hashable, own: np.ndarray, classes: np.ndarray, random: np.random.Generator, each: int
) -> Iterator[Drawn]:
    pools = {label: own[classes[own] == label] for label in range(CLASSES)}
    for _ in range(each):
        yield Drawn(HALF_NEUTRAL, person, _half_neutral(pools, random))
        for few in FEWEST:
            yield Drawn(FEW, person, random.permutation(_half_neutral(pools, random))[:few])
    for pool in pools.values():
        if len(pool):
            yield Drawn(ONE_MOOD, person, random.permutation(pool)[:LONGEST])


def _half_neutral(pools: dict[int, np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Positions of up to ``LONGEST`` utterances, half of them neutral and the others of all other labels in turn."""
    calm = random.permutation(pools[_NEUTRAL])[: LONGEST // 2]
    moods = [random.permutation(pools[label]) for label in random.permutation(CLASSES) if label != _NEUTRAL]
    turns = [pool[turn] for turn in range(LONGEST) for pool in moods if turn < len(pool)]
    return np.concatenate([calm, np.array(turns[: LONGEST - LONGEST // 2], dtype=np.int64)])


@dataclass(frozen=True, slots=True)
class Earned:
    """The trust that fits best, and what it gains: nats of log loss over the prior, by trust 0, this one and 1."""

    trust: float
    ignored: float
    trusted: float
    at_1: float


def earned_trust(evidence: np.ndarray, classes: np.ndarray, kinds: Sequence[str], prior: np.ndarray) -> Earned:
    """The weight of a head's evidence in a log-linear fusion, by maximum likelihood on drawn conversations.

    The words of acted utterances say nothing, so the prior of conversation stands for them. Each kind of conversation
    counts alike, and within a kind each label by its share in conversation.

    Args:
        evidence: ``(n, 7)``, log posterior minus log prior of the head, on a corpus left out of its training.
        classes: ``(n,)``, annotated.
        kinds: The kind of the conversation of each.
        prior: ``(7,)`` of the labels in conversation.

    Raises:
        InputError: for lengths that differ, or no utterance.
    """
    if not len(evidence) == len(classes) == len(kinds) or not len(classes):
        raise InputError(f"{len(evidence)} rows, {len(classes)} classes, {len(kinds)} kinds: expected one of each")
    weights = np.zeros(len(classes))
    names = np.asarray(kinds, dtype=str)
    for kind in np.unique(names):
        counts = np.bincount(classes[names == kind], minlength=CLASSES)
        share = prior * (counts > 0) / np.maximum(counts, 1)  # of one utterance of each label
        weights[names == kind] = (share / (share * counts).sum())[classes[names == kind]]
    priors = np.tile(prior, (len(classes), 1))
    trust = fit_trust(evidence, classes, priors, weights=weights)
    losses = [trusted_loss(power, evidence, classes, prior=priors, weights=weights) for power in (0.0, trust, 1.0)]
    return Earned(trust, *losses)
