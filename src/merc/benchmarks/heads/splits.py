"""How the items of one-modality corpora are divided to measure a head: protocols by name, as for conversations.

Each person of a corpus becomes a conversation of their items; an item of nobody known is one of its own. So parts can
be kept apart, and intervals drawn, by speaker and subject with the means that serve dialogues.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.evaluation.protocol import Protocol
from merc.evaluation.splits import Cut, Rule
from merc.labels import EKMAN7
from merc.recipes.samples import FACE_CORPORA, VOICE_CORPORA, Sample
from merc.registry import Registry

FOLDS = 5
RANDOM_SHARE = 0.15
"""Of each class of each corpus, for validation and again for test, in the divisions at random."""
HELD = 1 / 8
"""Of the items outside the test part that validate, where people are kept apart."""
LARGEST = 1 / 4
"""Of the items outside the test part: whoever has more never validates, as too little would be left to learn from."""

_NO_NEUTRAL = tuple(label for label in EKMAN7 if label != "neutral")
_APART = (("train", "valid"), ("train", "test"), ("valid", "test"))


@dataclass(frozen=True, slots=True)
class Division:
    """A protocol over the samples of a modality.

    ``peaks`` takes of each sequence its last picture alone. ``compared`` divisions are those on which each step from
    the embedding to the features in use is measured, ``validated`` those whose figure on validation is told as well.
    """

    protocol: Protocol
    modality: str
    peaks: bool = False
    compared: bool = False
    validated: bool = False

    @property
    def name(self) -> str:
        """The protocol's name."""
        return self.protocol.name

    @property
    def corpora(self) -> tuple[str, ...]:
        """The names of the corpora."""
        return tuple(self.protocol.corpus.split(" + "))

    def rows(self, samples: Sequence[Sample]) -> list[int]:
        """The positions of the samples that take part; raises InputError where a corpus has none."""
        last = {(one.corpus, one.item.group): row for row, one in enumerate(samples) if one.item.group}
        rows = [
            row
            for row, one in enumerate(samples)
            if one.corpus in self.corpora
            and one.label in self.protocol.label_set
            and not (self.peaks and one.item.group and last[one.corpus, one.item.group] != row)
        ]
        if absent := sorted(set(self.corpora) - {samples[row].corpus for row in rows}):
            raise InputError(f"{self.name}: no sample of {', '.join(absent)}; expected {', '.join(self.corpora)}")
        return rows


def conversations(samples: Iterable[Sample]) -> list[Conversation]:
    """A conversation for each person of a corpus and for each item of nobody known, in the order of the samples.

    Ids of utterances are ``corpus/item``; ``meta`` of conversations holds ``corpus`` and the official ``split``.
    """
    people: dict[str, list[Sample]] = {}
    for sample in samples:
        people.setdefault(f"{sample.corpus}/{sample.item.speaker or sample.item.id}", []).append(sample)
    return [
        Conversation(name, tuple(_utterance(s) for s in own), {"corpus": own[0].corpus, "split": own[0].item.split})
        for name, own in people.items()
    ]


def utterance_id(sample: Sample) -> str:
    """The id of a sample's utterance."""
    return f"{sample.corpus}/{sample.item.id}"


def _utterance(sample: Sample) -> Utterance:
    speaker = f"{sample.corpus}/{sample.item.speaker}" if sample.item.speaker else None
    return Utterance(utterance_id(sample), speaker, label=sample.label)


def at_random(found: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Items drawn within each class of each corpus, 70 / 15 / 15; one drawing for all seeds."""
    strata: dict[tuple[str, str], list[str]] = {}
    for one in found:
        for utterance in one:
            strata.setdefault((str(one.meta["corpus"]), str(utterance.label)), []).append(utterance.id)
    generator = np.random.default_rng(0)
    parts: dict[str, str] = {}
    for stratum in sorted(strata):
        ids = strata[stratum]
        number = max(1, round(RANDOM_SHARE * len(ids)))
        for rank, place in enumerate(generator.permutation(len(ids))):
            parts[ids[place]] = "test" if rank < number else "valid" if rank < 2 * number else "train"
    return [("random", lambda one, utterance: parts[utterance.id])]


def by_person(found: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """Five folds of people, about as many items in each; an eighth of the others' items, drawn by the seed, validate.

    The folds are the same for all seeds: whoever has most items goes to the fold that has fewest.
    """
    if len(found) < FOLDS:
        raise InputError(f"{len(found)} people for {FOLDS} folds: expected at least one in each")
    totals, folds = [0] * FOLDS, [list[str]() for _ in range(FOLDS)]
    for one in sorted(found, key=lambda one: (-len(one), one.id)):
        fold = totals.index(min(totals))
        totals[fold] += len(one)
        folds[fold].append(one.id)
    return [
        (f"fold-{number}", _tested(frozenset(people), found, seed=seed)) for number, people in enumerate(folds, start=1)
    ]


def official(found: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
    """The corpus's own test; an eighth of the rest, drawn by the seed, validates."""
    tested = frozenset(one.id for one in found if one.meta["split"] == "test")
    return [("official", _tested(tested, found, seed=seed))]


def without(corpus: str) -> Rule:
    """The rule that tests on the whole of a corpus what has learnt from the others."""

    def rule(found: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
        tested = frozenset(one.id for one in found if one.meta["corpus"] == corpus)
        return [(f"without-{corpus}", _tested(tested, found, seed=seed))]

    return rule


def _tested(tested: frozenset[str], found: Sequence[Conversation], *, seed: int) -> Cut:
    drawn = _drawn([one for one in found if one.id not in tested], seed)

    def cut(one: Conversation, utterance: Utterance) -> str:
        return "test" if one.id in tested else "valid" if one.id in drawn else "train"

    return cut


def _drawn(rest: Sequence[Conversation], seed: int) -> frozenset[str]:
    """People with about an eighth of the items, at most half of those who may validate."""
    total = sum(len(one) for one in rest)
    eligible = [one for one in rest if len(one) <= LARGEST * total]
    drawn: list[str] = []
    held = 0
    for place in np.random.default_rng(seed).permutation(len(eligible)):
        if held >= HELD * total or 2 * (len(drawn) + 1) > len(eligible):
            break
        drawn.append(eligible[place].id)
        held += len(eligible[place])
    return frozenset(drawn)


_BOTH_SIDES = "the same people are in train and test"


def _protocol(name: str, rule: Rule, corpora: tuple[str, ...], *, labels: tuple[str, ...] = EKMAN7) -> Protocol:
    """A protocol that keeps people apart, or, where its rule draws items at random, says that it does not."""
    mixed = rule is at_random
    apart = () if mixed else _APART
    told = _TOLD.get(rule, "tested on the whole of one corpus, trained without it")
    return Protocol(
        name=name,
        corpus=" + ".join(corpora),
        label_set=labels,
        metric="accuracy",
        description=told,
        rule=rule,
        dialogues_apart=apart,
        speakers_apart=apart,
        warning=_BOTH_SIDES if mixed else None,
    )


_TOLD: Mapping[Rule, str] = {
    at_random: "items at random within each class of each corpus, 70 / 15 / 15",
    by_person: "five folds of people, about as many items in each; an eighth of the others validates",
    official: "the official test part; an eighth of the rest validates",
}
_VOICES, _FACES = VOICE_CORPORA, FACE_CORPORA
_ALL = (
    Division(_protocol("voice-random", at_random, _VOICES), "voice", compared=True, validated=True),
    Division(_protocol("voice-speakers", by_person, _VOICES), "voice", compared=True),
    Division(_protocol("ravdess-speakers", by_person, ("ravdess",)), "voice"),
    *(Division(_protocol(f"voice-without-{name}", without(name), _VOICES), "voice") for name in sorted(_VOICES)),
    Division(_protocol("face-random", at_random, _FACES), "face", peaks=True, compared=True, validated=True),
    Division(_protocol("rafdb-official", official, ("rafdb",)), "face", compared=True),
    Division(_protocol("ckplus-subjects", by_person, ("ckplus",), labels=_NO_NEUTRAL), "face"),
    Division(_protocol("face-without-ckplus", without("ckplus"), _FACES), "face"),
    Division(_protocol("face-without-rafdb", without("rafdb"), _FACES, labels=_NO_NEUTRAL), "face"),
)

DIVISIONS: Registry[Division] = Registry("division", {division.name: division for division in _ALL})
