"""Sounds of a fold for pretraining and fine-tuning: its training speakers, further corpora, and who else was heard."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from merc.conversation import Conversation
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS, Fold, Protocol
from merc.features import sound
from merc.features.feature import Feature
from merc.progress import Progress
from merc.recipes.request import corpus_root, read


@dataclass(frozen=True, slots=True)
class FoldOfSounds:
    """A fold of a protocol with the sound of its corpus."""

    protocol: Protocol
    fold: Fold
    conversations: tuple[Conversation, ...]

    @classmethod
    def of(cls, protocol: str, fold: str, data: Path, *, seed: int = 0) -> FoldOfSounds:
        """Read it.

        Args:
            protocol: Name of a protocol with classes.
            fold: Name of one of its folds.
            data: Folder of all corpora.
            seed: What draws the validation speakers.

        Raises:
            UnknownName: There is no such protocol.
            InputError: There is no such fold, the protocol is a regression, or a corpus is missing.
            ProtocolError: The corpus has too few people for the protocol.
        """
        known = PROTOCOLS[protocol]
        if known.regression:
            raise InputError(f"protocol '{protocol}' is a regression; choose one with classes, such as ravdess-speaker")
        conversations = read(known.corpus, corpus_root(known.corpus, data))
        folds = {one.name: one for one in known.folds(conversations, seed=seed)}
        if fold not in folds:
            raise InputError(f"no fold '{fold}'; protocol '{protocol}' has {', '.join(folds)}")
        return cls(known, folds[fold], conversations)

    def classes(self) -> dict[str, int]:
        """Class numbers of the training part by utterance id."""
        return {name: self.protocol.label_set.index(label) for name, label in self.fold.train.labels.items()}

    def held_out(self) -> frozenset[str]:
        """Ids of the utterances of validation and test speakers."""
        return self.fold.valid.context | self.fold.test.context


@dataclass(frozen=True, slots=True)
class Speech:
    """Sounds by utterance id, whose they are, and how many each corpus gives.

    ``names`` are those that may be used, ``counts`` their number by corpus, ``transductive`` how many of them are of
    validation or test speakers.
    """

    feature: Feature
    names: tuple[str, ...]
    counts: dict[str, int]
    transductive: int


def speech_of(
    one: FoldOfSounds,
    *,
    extra: Sequence[str] = (),
    transductive: bool = False,
    data: Path,
    progress: Progress | None = None,
) -> Speech:
    """The sound that a pretraining may hear.

    Args:
        one: The fold, of which training speakers are heard.
        extra: Further corpora, of which everyone is heard.
        transductive: Whether validation and test speakers are heard too, without their labels.
        data: Folder of all corpora.
        progress: Called while sound is decoded.

    Raises:
        InputError: A further corpus is one of the protocol, or is missing, or nothing can be decoded.
    """
    if shared := sorted(set(extra) & set(one.protocol.corpora)):
        raise InputError(
            f"extra corpus '{shared[0]}' is divided by protocol '{one.protocol.name}': its test speakers would be "
            "heard; leave it out, or set transductive=true"
        )
    held = one.held_out()
    own = [c for c in one.conversations if transductive or not any(turn.id in held for turn in c)]
    further = [c for name in extra for c in read(name, corpus_root(name, data))]
    feature = sound.load([*own, *further], progress=progress)
    names = tuple(turn.id for c in [*own, *further] for turn in c if turn.id in feature.rows)
    homes = [name.split("/")[0] for name in names] if len(one.protocol.corpora) + len(extra) > 1 else []
    counts = {name: homes.count(name) for name in dict.fromkeys(homes)} or {one.protocol.corpus: len(names)}
    return Speech(feature, names, counts, len(held.intersection(names)))
