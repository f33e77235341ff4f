"""Conversations with real words and planted voices: who says what is MELD's, how it is said is acted by known people.

Each speaker of a dialogue gets one actor, and each utterance a clip of that actor with the utterance's label. Only the
planting knows which clips; what a head reads from them and what a text encoder reads from the words is given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

ANNOTATED, VOICE_ALONE, WITHOUT_WORDS, ONE_MOOD, DECEIVING = (
    "words and labels of MELD",
    "neutral words, the voice alone tells",
    "labels of MELD, no words",
    "one mood a speaker",
    "voices that tell nothing",
)
KINDS = (VOICE_ALONE, WITHOUT_WORDS, ONE_MOOD, ANNOTATED, DECEIVING)


@dataclass(frozen=True)
class Talk:
    """One dialogue: who speaks ``(n,)``, annotated classes ``(n,)`` and the text posterior ``(n, 7)``."""

    people: tuple[str | None, ...]
    classes: np.ndarray
    words: np.ndarray


@dataclass(frozen=True)
class Clips:
    """Acted clips: classes ``(m,)`` and the actor of each."""

    classes: np.ndarray
    people: np.ndarray


@dataclass(frozen=True)
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
    posterior: the words are honest, and what they leave open only the voice tells. ``ONE_MOOD`` gives each speaker one
    label, drawn from the prior, with words annotated so. ``DECEIVING`` draws clips regardless of the label.

    Args:
        talks: Dialogues.
        clips: Of the actors who may speak.
        kind: One of ``KINDS``.
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
        found.append(Planted(tuple(people), classes, words, _drawn(clips, people, shown, random)))
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
    if kind == ONE_MOOD:
        mood = {name: int(random.choice(len(prior), p=prior)) for name in dict.fromkeys(talk.people)}
        classes = np.array([mood[name] for name in talk.people])
        return classes, np.stack([pools[label][random.integers(len(pools[label]))] for label in classes])
    words = np.full_like(talk.words, np.nan) if kind == WITHOUT_WORDS else talk.words
    return talk.classes, words


def _drawn(clips: Clips, people: Sequence[str], shown: np.ndarray, random: np.random.Generator) -> np.ndarray:
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
