"""Rules that divide item corpora and manifests by person or dialogue: neither is in two parts.

A person of an item corpus is a cluster of ``merc.corpora.items``: a speaker or subject, else an item of its own. Rules
are as in ``merc.evaluation.splits``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.errors import ProtocolError
from merc.evaluation.splits import Cut, Rule

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
    return _folds(found, FOLDS, seed)


def _folds(found: People, count: int, seed: int) -> list[tuple[str, Cut]]:
    """About as many items in each: whoever has most of those left goes to the fold that has fewest."""
    totals, folds = [0] * count, [list[str]() for _ in range(count)]
    for name in sorted(found, key=lambda name: (-_size(found[name]), name)):
        fold = totals.index(min(totals))
        totals[fold] += _size(found[name])
        folds[fold].append(name)
    return [(f"fold-{number}", cut_at(found, frozenset(fold), seed=seed)) for number, fold in enumerate(folds, start=1)]


def grouped(by: str, count: int, drawn_by: int) -> Rule:
    """Folds of speakers or of dialogues, about as many utterances in each; an eighth of the others validates.

    Dialogues that share a speaker (where divided by it) or a media file stay together.

    Args:
        by: "speaker" or "dialogue".
        count: Number of folds.
        drawn_by: Seed of the folds; validation is drawn by the seed that the rule is called with.
    """

    def rule(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
        groups = _groups(conversations, by)
        if len(groups) < max(count, 3):
            raise ProtocolError(
                f"{len(conversations)} dialogues form {len(groups)} groups that share no {by} and no media file; "
                f"expected at least {max(count, 3)} for {count} folds: "
                + ("state fewer folds" if len(groups) > 2 else 'state by = "dialogue", or give more recordings')
            )
        order = np.random.default_rng(drawn_by).permutation(len(groups))
        return _folds({f"{place:09d}": groups[one] for place, one in enumerate(order)}, count, seed)

    return rule


def _groups(conversations: Sequence[Conversation], by: str) -> list[list[Conversation]]:
    """The dialogues that share something with each other, in order of first appearance."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    count, numbers, pairs = len(conversations), dict[tuple[str, str], int](), []
    for place, one in enumerate(conversations):
        pairs += [(place, count + numbers.setdefault(item, len(numbers))) for item in sorted(_shared(one, by))]
    places = np.array(pairs, int).reshape(-1, 2).T
    size = count + len(numbers)
    _, homes = connected_components(coo_matrix((np.ones(len(pairs)), places), (size, size)), directed=False)
    groups: dict[int, list[Conversation]] = {}
    for one, home in zip(conversations, homes, strict=False):  # the rest of the homes are those of the items
        groups.setdefault(int(home), []).append(one)
    return list(groups.values())


def media_apart(rule: Rule) -> Rule:
    """The rule, refusing with ProtocolError a division in which two parts share a media file."""

    def checked(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
        cuts = rule(conversations, seed)
        for name, cut in cuts:
            _refuse_shared_media(name, conversations, cut)
        return cuts

    return checked


def _refuse_shared_media(where: str, conversations: Sequence[Conversation], cut: Cut) -> None:
    parts: dict[str, tuple[str, str]] = {}
    for one in conversations:
        for turn in one:
            part = cut(one, turn)
            if part is None or not turn.meta.get("media"):
                continue
            first, before = parts.setdefault(media_file(str(turn.meta["media"])), (turn.id, part))
            if before != part:
                raise ProtocolError(
                    f"{where}: media file {turn.meta['media']} is in {before} (utterance '{first}') and in {part} "
                    f"('{turn.id}'); expected each recording in one part: correct the column split, or state folds by "
                    "dialogue"
                )


def _shared(one: Conversation, by: str) -> set[tuple[str, str]]:
    """What no other part may have of a dialogue."""
    found = {("media", media_file(str(turn.meta["media"]))) for turn in one if turn.meta.get("media")}
    if by != "speaker":
        return found
    for turn in one:
        if not turn.speaker:
            raise ProtocolError(f"utterance '{turn.id}' has no speaker; this protocol divides by speaker")
    return found | {("speaker", str(turn.speaker)) for turn in one}


@lru_cache(maxsize=1 << 16)
def media_file(path: str) -> str:
    """The file that a path leads to, through links."""
    return str(Path(path).resolve())


def people_left_out(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """One fold a person, who is the test; of the others about an eighth, at least one person, validates."""
    found = people(conversations)
    return [(name.rpartition("/")[2], cut_at(found, frozenset((name,)), seed=seed)) for name in sorted(found)]


def official_test(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """The corpus's own test part; an eighth of the rest, drawn by the seed, validates."""
    found = people(conversations)
    tested = frozenset(name for name, own in found.items() if any(one.meta["split"] == "test" for one in own))
    return [("official", cut_at(found, tested, seed=seed))]


def official_parts(test: str) -> Rule:
    """The corpus's own train, dev (validates) and the named test part; its other parts are left out.

    Args:
        test: Name of the part that is the test, of a corpus that has several.
    """
    parts = {"train": "train", "dev": "valid", test: "test"}

    def rule(conversations: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
        return [("official", lambda one, utterance: parts.get(str(one.meta["split"])))]

    return rule


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
    homes = {one.id: name for name, own in found.items() for one in own}

    def cut(one: Conversation, utterance: Utterance) -> str:
        name = homes[one.id]
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
