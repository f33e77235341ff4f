"""Conversations drawn from acted utterances, and the trust that a head earns in them.

Acted corpora have each person in each mood equally often. In a conversation a person is mostly neutral, says few
things, or has one mood throughout; heads are trained and measured on draws of these kinds.

How far a voice counts beside words is fitted on conversations with real words and planted voices: who says what is
MELD's, how it is said is acted. Each speaker of a dialogue gets one actor, and each utterance a clip of that actor. In
one of the kinds the voices tell nothing, as happens: the fit must know when not to listen.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from merc.corpora import CORPORA
from merc.errors import InputError
from merc.evaluation.calibration import fit_trust, softmax, trusted_loss
from merc.heads.late_fusion import Levels, mixed
from merc.heads.mlp import CLASSES
from merc.labels import EKMAN7

HALF_NEUTRAL, ONE_MOOD, FEW = "half neutral", "one mood", "few"
KINDS = (HALF_NEUTRAL, ONE_MOOD, FEW)
"""Half of the utterances neutral, the others of all labels alike; one label throughout; some of the first kind."""
LONGEST = 20
"""Utterances of a person at most."""
FEWEST = (1, 2, 3, 5)
"""Numbers of utterances of the kind "few"."""

ANNOTATED, VOICE_ALONE, WITHOUT_WORDS, ONE_MOOD_EACH, DECEIVING = (
    "words and labels of MELD",
    "neutral words, the voice alone tells",
    "labels of MELD, no words",
    "one mood a speaker",
    "voices that tell nothing",
)
PLANTED_KINDS = (VOICE_ALONE, WITHOUT_WORDS, ONE_MOOD_EACH, ANNOTATED, DECEIVING)
"""Kinds of conversations with planted voices."""

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


@dataclass(frozen=True, slots=True)
class Talk:
    """One dialogue: who speaks ``(n,)``, annotated classes ``(n,)`` and the text posterior ``(n, 7)``."""

    people: tuple[str | None, ...]
    classes: np.ndarray
    words: np.ndarray


@dataclass(frozen=True, slots=True)
class Clips:
    """Acted clips: classes ``(m,)`` and the actor of each."""

    classes: np.ndarray
    people: np.ndarray


@dataclass(frozen=True, slots=True)
class Planted:
    """A planted dialogue.

    Attributes:
        people: The actor of each utterance; None: unknown.
        classes: ``(n,)``, the true labels.
        words: ``(n, 7)``, the text posterior; NaN where there are no words.
        clips: ``(n,)``, positions among the clips; -1: the actor has none of this label, so there is no voice.
    """

    people: tuple[str | None, ...]
    classes: np.ndarray
    words: np.ndarray
    clips: np.ndarray


def plant(talks: Sequence[Talk], clips: Clips, kind: str, *, prior: np.ndarray, seed: int) -> list[Planted]:
    """Plant a voice in every utterance.

    ``VOICE_ALONE`` gives each utterance the posterior of words annotated as neutral, and draws its label from that
    posterior: the words are honest, and what they leave open only the voice tells. ``ONE_MOOD_EACH`` gives each speaker
    one label, drawn from the prior, with words annotated so. ``DECEIVING`` draws clips regardless of the label.

    Args:
        talks: Dialogues.
        clips: Of the actors who may speak.
        kind: One of ``PLANTED_KINDS``.
        prior: ``(7,)``, of the labels in conversation.
        seed: Of everything that is drawn.
    """
    random = np.random.default_rng(seed)
    pools = {label: np.concatenate([t.words[t.classes == label] for t in talks]) for label in range(len(prior))}
    actors = [str(name) for name in np.unique(clips.people)]
    found = []
    for talk in talks:
        names = list(dict.fromkeys(talk.people))
        cast = dict(zip(names, _cast(actors, len(names), random), strict=True))
        classes, words = _labelled(talk, kind, pools, prior, random)
        shown = random.choice(len(prior), len(classes), p=prior) if kind == DECEIVING else classes
        people = [cast[name] for name in talk.people]
        found.append(Planted(tuple(people), classes, words, _clips_of(clips, people, shown, random)))
    return found


def _cast(actors: list[str], count: int, random: np.random.Generator) -> Iterator[str]:
    """An actor for each speaker; actors return where there are more speakers."""
    order = [str(name) for name in random.permutation(actors)]
    return (order[number % len(order)] for number in range(count))


def _labelled(
    talk: Talk, kind: str, pools: dict[int, np.ndarray], prior: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Labels and text posteriors of a dialogue."""
    if kind == VOICE_ALONE:
        neutral = pools[int(prior.argmax())]
        words = neutral[random.integers(len(neutral), size=len(talk.classes))]
        return np.array([random.choice(len(row), p=row / row.sum()) for row in words]), words
    if kind == ONE_MOOD_EACH:
        mood = {name: int(random.choice(len(prior), p=prior)) for name in dict.fromkeys(talk.people)}
        classes = np.array([mood[name] for name in talk.people])
        return classes, np.stack([pools[label][random.integers(len(pools[label]))] for label in classes])
    words = np.full_like(talk.words, np.nan) if kind == WITHOUT_WORDS else talk.words
    return talk.classes, words


def _clips_of(clips: Clips, people: Sequence[str], shown: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A clip of each utterance's actor and label; none twice in a dialogue while others are left."""
    used: dict[tuple[str, int], list[int]] = {}
    found = np.full(len(shown), -1)
    for place, one in enumerate(zip(people, shown.tolist(), strict=True)):
        if not used.get(one):
            own = np.flatnonzero((clips.people == one[0]) & (clips.classes == one[1]))
            used[one] = [int(row) for row in random.permutation(own)]
        if used[one]:
            found[place] = used[one].pop()
    return found


@dataclass(frozen=True, slots=True)
class Heard:
    """Utterances with a planted voice, as the fusion weighs them.

    Attributes:
        words: ``(n, 7)``, log posterior of the words; the log prior where there are none.
        voices: ``(n, 7)``, log posterior minus log prior of the voice head.
        classes: ``(n,)``, the true labels.
        speakers: Who speaks each, one name a person and conversation.
        shares: ``(n,)``, how much each counts.
    """

    words: np.ndarray
    voices: np.ndarray
    classes: np.ndarray
    speakers: tuple[Hashable, ...]
    shares: np.ndarray

    def loss(self, levels: Levels, prior: np.ndarray) -> float:
        """Mean log loss in nats of the fusion with levels of trust; ``prior (7,)`` is that of conversation."""
        found = mixed(self.words, self.voices, self.speakers, np.log(prior), levels)
        chosen = np.maximum(found[np.arange(len(found)), self.classes], 1e-12)
        return float(-(self.shares * np.log(chosen)).sum() / self.shares.sum())


TRUSTS = (0.0, 0.5, 1.0)
"""What the trust in a voice may be."""


@dataclass(frozen=True, slots=True)
class FittedTrust:
    """How far voices count: the best single trust, and the levels that voices differ by.

    ``losses`` are log losses by words alone, by the single trust and by the levels.
    """

    single: float
    levels: Levels
    losses: tuple[float, float, float]


def fit_levels(heard: Heard, prior: np.ndarray) -> FittedTrust:
    """Prior shares of ``TRUSTS`` and weight of agreement (see ``merc.heads.late_fusion``), by maximum likelihood."""
    from scipy.optimize import minimize, minimize_scalar

    def levels(x: np.ndarray) -> Levels:
        shares = softmax(np.array([0.0, *x[:-1]]))
        return Levels(tuple(zip(TRUSTS, shares.tolist(), strict=True)), float(x[-1]))

    def loss_of(trust: float) -> float:
        return heard.loss(Levels(((trust, 1.0),), 0.0), prior)

    single = minimize_scalar(loss_of, bounds=(0.0, 1.0), method="bounded")
    found = minimize(
        lambda x: heard.loss(levels(x), prior),
        [0.0] * (len(TRUSTS) - 1) + [1.0],
        bounds=[(-6.0, 6.0)] * (len(TRUSTS) - 1) + [(0.0, 3.0)],
        method="L-BFGS-B",
    )
    return FittedTrust(float(single.x), levels(found.x), (loss_of(0.0), float(single.fun), float(found.fun)))
