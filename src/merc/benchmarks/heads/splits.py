"""The divisions of the bench of heads: protocols over the items of one-modality corpora, by person and at random.

Those by person are protocols of ``merc train`` too, where they are listed there; the others serve the bench alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from merc.conversation import Conversation
from merc.corpora import CORPORA
from merc.corpora.items import as_conversations, item_id
from merc.errors import InputError
from merc.evaluation.division import ALL_APART
from merc.evaluation.item_splits import by_person, cut_at, people
from merc.evaluation.protocol import PROTOCOLS, Protocol
from merc.evaluation.splits import Cut, Rule
from merc.labels import EKMAN7
from merc.recipes.samples import FACE_CORPORA, VOICE_CORPORA, Sample
from merc.registry import Registry

RANDOM_SHARE = 0.15
"""Of each class of each corpus, for validation and again for test, in the divisions at random."""

_NO_NEUTRAL = tuple(label for label in EKMAN7 if label != "neutral")


@dataclass(frozen=True, slots=True)
class Division:
    """A protocol over the samples of a modality.

    Attributes:
        protocol: Corpora, classes and rule.
        modality: "voice" or "face".
        peaks: Take the last picture of each sequence alone.
        compared: Measure each step from the embedding to the features in use, not only the shipped and the best one.
        validated: Print the figure on validation too.
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
        """Ids of the corpora."""
        return self.protocol.corpora

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
    """The samples as conversations of one utterance, labelled with their class among the seven."""
    by_corpus: dict[str, list[Sample]] = {}
    for sample in samples:
        by_corpus.setdefault(sample.corpus, []).append(sample)
    return [
        one
        for name, own in by_corpus.items()
        for one in as_conversations(CORPORA[name], [replace(s.item, labels=(s.label,)) for s in own])
    ]


def utterance_id(sample: Sample) -> str:
    """The id of a sample's utterance."""
    return item_id(sample.corpus, sample.item)


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


def without(corpus: str) -> Rule:
    """The rule that tests on one corpus as a whole and trains on the others."""

    def rule(found: Sequence[Conversation], seed: int) -> list[tuple[str, Cut]]:
        clusters = people(found)
        tested = frozenset(name for name, own in clusters.items() if own[0].meta["corpus"] == corpus)
        return [(f"without-{corpus}", cut_at(clusters, tested, seed=seed))]

    return rule


_BOTH_SIDES = "the same people are in train and test"


def _protocol(name: str, rule: Rule, corpora: tuple[str, ...], *, labels: tuple[str, ...] = EKMAN7) -> Protocol:
    """A protocol that keeps people apart, or, where its rule draws items at random, says that it does not."""
    mixed = rule is at_random
    apart = () if mixed else ALL_APART
    return Protocol(
        name=name,
        corpus="+".join(corpora),
        label_set=labels,
        metric="accuracy",
        description=_DESCRIPTIONS.get(rule, "tested on one corpus as a whole, trained without it"),
        rule=rule,
        dialogues_apart=apart,
        speakers_apart=apart,
        warning=_BOTH_SIDES if mixed else None,
    )


_DESCRIPTIONS: Mapping[Rule, str] = {
    at_random: "items at random within each class of each corpus, 70 / 15 / 15",
    by_person: "five folds of people, about as many items in each; an eighth of the others validates",
}
_VOICES, _FACES = VOICE_CORPORA, FACE_CORPORA
_ALL = (
    Division(_protocol("voice-random", at_random, _VOICES), "voice", compared=True, validated=True),
    Division(PROTOCOLS["speech3-speaker"], "voice", compared=True),
    Division(PROTOCOLS["ravdess-speaker"], "voice"),
    *(Division(_protocol(f"voice-without-{name}", without(name), _VOICES), "voice") for name in sorted(_VOICES)),
    Division(_protocol("face-random", at_random, _FACES), "face", peaks=True, compared=True, validated=True),
    Division(PROTOCOLS["rafdb"], "face", compared=True),
    Division(_protocol("ckplus-subject", by_person, ("ckplus",), labels=_NO_NEUTRAL), "face"),
    Division(_protocol("face-without-ckplus", without("ckplus"), _FACES), "face"),
    Division(_protocol("face-without-rafdb", without("rafdb"), _FACES, labels=_NO_NEUTRAL), "face"),
)

DIVISIONS: Registry[Division] = Registry("division", {division.name: division for division in _ALL})
"""Every division of the bench by name."""
