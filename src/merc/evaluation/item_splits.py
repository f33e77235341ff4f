"""Rules that divide item corpora by person: no person is in two parts.

A person is a cluster of ``merc.corpora.items``: a speaker or subject, else an item of its own. Rules are as in
``merc.evaluation.splits``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.errors import ProtocolError
from merc.evaluation.splits import Cut

FOLDS = 5
VALIDATION_SHARE = 1 / 8
"""Of the items outside the test part."""
People = Mapping[str, Sequence[Conversation]]


def people(conversations: Sequence[Conversation]) -> dict[str, list[Conversation]]:
    """The conversations of each person, in order of first appearance.

    Raises:
        ProtocolError: A conversation without ``meta["cluster"]``: this is no item corpus.
    """
    found: dict[str, list[Conversation]] = {}
    for one in conversations:
        if "cluster" not in one.meta:
            raise ProtocolError(
                f"conversation '{one.id}' has no meta['cluster']; this protocol divides items: read them with "
                "merc.corpora.conversations_of"
            )
        found.setdefault(str(one.meta["cluster"]), []).append(one)
    return found


def by_person(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Five folds of people, about as many items in each; an eighth of the other items, drawn by the seed, validates.

    The folds are the same for all seeds: whoever has most items goes to the fold that has fewest.
    """
    found = people(conversations)
    if len(found) < FOLDS:
        raise ProtocolError(
            f"{len(found)} people for {FOLDS} folds: expected at least one in each; give a whole corpus, join it with "
            "others (protocol speech4), or leave whole corpora out (speech-cross)"
        )
    totals, folds = [0] * FOLDS, [list[str]() for _ in range(FOLDS)]
    for name in sorted(found, key=lambda name: (-_size(found[name]), name)):
        fold = totals.index(min(totals))
        totals[fold] += _size(found[name])
        folds[fold].append(name)
    return [(f"fold-{number}", cut_at(found, frozenset(fold), seed=seed)) for number, fold in enumerate(folds, start=1)]


def official_test(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """The corpus's own test part; an eighth of the rest, drawn by the seed, validates."""
    found = people(conversations)
    tested = frozenset(name for name, own in found.items() if any(one.meta["split"] == "test" for one in own))
    return [("official", cut_at(found, tested, seed=seed))]


def corpora_left_out(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """One fold a corpus, which is the test as a whole; of the others an eighth, drawn by the seed, validates."""
    found = people(conversations)
    homes = {name: str(own[0].meta["corpus"]) for name, own in found.items()}
    return [
        (f"without-{corpus}", cut_at(found, frozenset(n for n, home in homes.items() if home == corpus), seed=seed))
        for corpus in dict.fromkeys(homes.values())
    ]


def cut_at(found: People, tested: frozenset[str], *, seed: int) -> Cut:
    """The cut that tests on some people and validates on others, drawn by the seed."""
    drawn = _validating({name: own for name, own in found.items() if name not in tested}, seed)

    def cut(one: Conversation, utterance: Utterance) -> str:
        name = str(one.meta["cluster"])
        return "test" if name in tested else "valid" if name in drawn else "train"

    return cut


def _validating(rest: People, seed: int) -> frozenset[str]:
    """People with about an eighth of the items, at most half of those who may validate.

    Nobody validates who has more than the whole share and twice as much as people have on average, as TESS's two
    speakers do: little would be left to train on, and the other one of a pair would be tested without their like.
    """
    total = sum(map(_size, rest.values()))
    largest = max(VALIDATION_SHARE * total, 2 * total / max(len(rest), 1))
    eligible = [name for name, own in rest.items() if _size(own) <= largest]
    drawn: list[str] = []
    items = 0
    for place in np.random.default_rng(seed).permutation(len(eligible)):
        if items >= VALIDATION_SHARE * total or 2 * (len(drawn) + 1) > len(eligible):
            break
        drawn.append(eligible[place])
        items += _size(rest[eligible[place]])
    return frozenset(drawn)


def _size(own: Sequence[Conversation]) -> int:
    return sum(map(len, own))
