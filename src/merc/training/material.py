"""A corpus as training material, and the items that systems read: whole dialogues or single utterances.

An item holds what is small (labels, speakers, numbers of steps); vectors are packed with it, and sequences (frames,
tokens, sound) are read from their store when a batch is loaded, so that those of a corpus are never in memory together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.evaluation.parts import score
from merc.evaluation.protocol import PROTOCOLS, Fold
from merc.features.feature import Feature, Scaling
from merc.features.tuned_text import trained_on

if TYPE_CHECKING:
    from torch import Tensor

_UNLABELLED = -1
_UNKNOWN = -1  # the number of a speaker who is not known


@dataclass(frozen=True, slots=True)
class ItemRows:
    """One modality of an item: its steps packed end to end, in memory or read at access.

    Attributes:
        lengths: int64 ``(T,)``, steps of each utterance, 0 where the modality is absent.
        source: ``(N, d)`` (token numbers and sound: ``(N,)``), or a function that reads it.

    Example:
        >>> import torch
        >>> ItemRows(torch.tensor([2, 0]), lambda: torch.ones(2, 40)).values.shape
        torch.Size([2, 40])
    """

    lengths: Tensor
    source: Tensor | Callable[[], Tensor]

    @property
    def values(self) -> Tensor:
        """The packed steps."""
        return self.source() if callable(self.source) else self.source


@dataclass(frozen=True, slots=True)
class Item:
    """A dialogue of T utterances, or one utterance (T = 1).

    Attributes:
        dialogue: The id of the dialogue, or of the utterance that is read alone.
        ids: Utterance ids.
        rows: By modality its packed steps.
        speakers: int64 ``(T,)``, numbers in order of appearance in the dialogue.
        labels: int64 ``(T,)``, class numbers, -1 where there is none.
        weights: float32 ``(T,)``, how much each utterance counts in the loss.
        people: int64 ``(T,)``, numbers of the speakers in the whole corpus, -1 where unknown.
        targets: float32 ``(T, A)``, NaN where absent.
        universal: int64 ``(T, F)``, values of the fields of a universal label, -1 where unknown; F may be 0.
        length: Items of similar length go into one batch: utterances of a dialogue, steps of a single utterance.

    Example:
        >>> read = (Conversation("d", (Utterance("a", "F", "Hi."), Utterance("b", "M", "No."))),)
        >>> text = Feature.of(["a", "b"], np.ones((2, 3)), source="made")
        >>> (item,) = Material(read, {"text": text}, ("joy",), {"a": "joy"}).items(["a"], level="dialogue")
        >>> item.ids, item.labels.tolist(), item.length
        (('a', 'b'), [0, -1], 2)
    """

    dialogue: str
    ids: tuple[str, ...]
    rows: Mapping[str, ItemRows]
    speakers: Tensor
    labels: Tensor
    weights: Tensor
    people: Tensor
    targets: Tensor
    universal: Tensor
    length: int


@dataclass(frozen=True, slots=True)
class Material:
    """A corpus as training material: conversations, features by modality, and what is to be predicted.

    Attributes:
        conversations: All of them; those without a scored utterance are left out of items.
        features: By modality.
        classes: Names of the classes, in the order of their numbers; none for a stage without labels.
        labels: By utterance id a class name; an utterance without one is context.
        weights: By utterance id how much it counts in the loss; 1 where not given.
        targets: Names of annotated scores (``Utterance.scores``) to predict, such as ("val", "act", "dom"); several
            separated by "|" as in ``Protocol.dimensions``.
        corpus: Its name, for messages.

    Raises:
        InputError: For a label outside the classes, no label at all, a weight that is no share, no features, and a
            target that no utterance has.

    Example:
        >>> read = (Conversation("d", (Utterance("a", "F", "Hi."), Utterance("b", "M", "No."))),)
        >>> text = Feature.of(["a", "b"], np.ones((2, 3)), source="made")
        >>> made = Material(read, {"text": text}, ("joy", "anger"), {"a": "joy", "b": "anger"})
        >>> made.widths, made.people
        ({'text': 3}, {'F': 0, 'M': 1})
    """

    conversations: tuple[Conversation, ...]
    features: Mapping[str, Feature]
    classes: tuple[str, ...]
    labels: Mapping[str, str]
    weights: Mapping[str, float] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    corpus: str = ""

    def __post_init__(self) -> None:
        if not self.features:
            raise InputError("no features: name at least one, such as text=mpnet")
        self._check_labels()
        for name, weight in self.weights.items():
            if not 0 <= weight < float("inf"):
                raise InputError(f"utterance '{name}': weight {weight}; expected 0 or more")
        if self.targets:
            self._check_targets()

    def _check_labels(self) -> None:
        for name, label in self.labels.items():
            if label not in self.classes:
                raise InputError(f"utterance '{name}': label '{label}'; expected one of {', '.join(self.classes)}")
        if self.classes and not self.labels and not self.targets:
            raise InputError(f"no utterance has a label; expected labels out of {', '.join(self.classes)}")

    def _check_targets(self) -> None:
        scores = {name for conversation in self.conversations for turn in conversation for name in turn.scores}
        if missing := [name for name in self.targets if not scores & set(name.split("|"))]:
            raise InputError(
                f"corpus '{self.corpus}' has no scores '{missing[0]}' to predict; its utterances have "
                f"{', '.join(sorted(scores)) or 'labels only'}; choose another target or a corpus that has it"
            )

    @property
    def widths(self) -> dict[str, int]:
        """Width of each modality: of its vectors; for token numbers the size of the vocabulary, for sound 1."""
        return {name: feature.width for name, feature in self.features.items()}

    @property
    def people(self) -> dict[str, int]:
        """The number of each speaker in the whole corpus, in the order of their names."""
        names = {turn.speaker for conversation in self.conversations for turn in conversation if turn.speaker}
        return {name: number for number, name in enumerate(sorted(names))}

    @property
    def said(self) -> list[str]:
        """The utterances of known speakers, which teach who speaks."""
        return [turn.id for conversation in self.conversations for turn in conversation if turn.speaker]

    def counts(self, scored: Collection[str]) -> dict[str, int]:
        """Utterances of each class.

        Args:
            scored: Ids of those that count.

        Returns:
            Numbers by name of the class, 0 where there is none.
        """
        found = Counter(self.labels[name] for name in scored if name in self.labels)
        return {label: found[label] for label in self.classes}

    def scalings(self, modalities: Collection[str], ids: Collection[str]) -> dict[str, Scaling]:
        """The standardisation of modalities. Token numbers and samples of sound are left as they are.

        Args:
            modalities: Names of those that are standardised.
            ids: Utterances that it is measured on, those of training.

        Returns:
            Mean and standard deviation by modality.
        """
        measured = {name: one for name, one in self.features.items() if name in modalities and one.kind == "values"}
        return {name: Scaling.fit(feature, ids) for name, feature in measured.items()}

    def items(
        self, scored: Collection[str], *, level: str, scalings: Mapping[str, Scaling] | None = None
    ) -> list[Item]:
        """What a system reads of a part.

        Utterances that are not scored are context without label and targets, as are scored ones whose label is not
        known (those of a sealed test part).

        Args:
            scored: Ids of the utterances that count.
            level: "dialogue" or "utterance".
            scalings: Standardisation by modality (default: none).

        Returns:
            The dialogues that hold a scored utterance, or each scored utterance, in corpus order.

        Raises:
            InputError: When a scored utterance is in no conversation, when none is scored, and when no utterance has a
                value of a modality.
        """
        chosen = frozenset(scored)
        self._check_scored(chosen)
        make = _ItemMaker(self, chosen, scalings or {})
        items = []
        for conversation in self.conversations:
            if level == "dialogue" and any(utterance.id in chosen for utterance in conversation):
                items.append(make.item(conversation.id, conversation.utterances))
            elif level == "utterance":
                items += [make.item(turn.id, (turn,), alone=True) for turn in conversation if turn.id in chosen]
        self._refuse_absent(items)
        return items

    def _check_scored(self, scored: frozenset[str]) -> None:
        known = {utterance.id for conversation in self.conversations for utterance in conversation}
        if strange := sorted(scored - known):
            raise InputError(f"{len(strange)} utterances to score are in no conversation, first '{strange[0]}'")
        if not scored:
            raise InputError("no utterance to score: this part of the corpus holds no label of the label set")

    def _refuse_absent(self, items: Sequence[Item]) -> None:
        for name, feature in self.features.items():
            if not any(bool(item.rows[name].lengths.any()) for item in items):
                example = next(iter(feature.rows), "none")
                raise InputError(
                    f"features '{feature.source}' ({name}): no value for any of the utterances; the corpus has ids "
                    f"like '{items[0].ids[0]}', the features like '{example}'"
                )


_FORMS = {"vectors": "values", "steps": "values", "cells": "values", "tokens": "tokens", "sound": "sound"}
_NAMES = {"values": "vectors", "tokens": "token numbers", "sound": "samples of sound"}


def refuse_unreadable(features: Mapping[str, Feature], reading: Mapping[str, str], system: str) -> None:
    """Refuse features of a kind that a system cannot read.

    Args:
        features: By modality.
        reading: By modality how the system reads it: one of ``merc.systems.contract.READS``.
        system: Its name, for the message.

    Raises:
        InputError: If a modality is read as vectors or steps, but holds token numbers or sound, or the other way round.
    """
    for name, feature in features.items():
        way = reading.get(name, "vectors")
        if _FORMS[way] != feature.kind:
            raise InputError(
                f"system '{system}' reads {name} as {way}, but features '{feature.source}' are {_NAMES[feature.kind]}; "
                f"choose another source with --features {name}=SOURCE, or an option of the system that reads these"
            )


def refuse_in_sample(
    features: Mapping[str, Feature], fold: Fold, conversations: Sequence[Conversation], *, corpus: str
) -> None:
    """Refuse features from an encoder that was trained on dialogues which the fold validates or tests on.

    Args:
        features: By modality.
        fold: The parts of the corpus.
        conversations: All conversations of the corpus.
        corpus: Its name.

    Raises:
        InputError: The predictions would not be out-of-fold.
    """
    held_out = {*fold.valid.conversations, *fold.test.conversations}
    for modality, feature in features.items():
        for part in trained_on(feature.encoder):
            if not part["protocol"] or PROTOCOLS[part["protocol"]].corpus != corpus:
                continue
            folds = {one.name: one for one in PROTOCOLS[part["protocol"]].folds(conversations, seed=part["seed"])}
            seen = set(folds[part["fold"]].train.conversations) & held_out if part["fold"] in folds else set()
            if seen:
                learned = f"{part['protocol']}, fold {part['fold']}, seed {part['seed']}"
                raise InputError(
                    f"{modality} features {feature.source}: the encoder was trained on the training part of {learned}; "
                    f"{len(seen)} of its dialogues are held out here, first '{min(seen)}'; train an encoder for this "
                    f"fold and seed with 'merc train {feature.encoder.get('trained_by', 'dialogue-encoder')}'"
                )


class _ItemMaker:
    """Makes items of a material for one part of its corpus."""

    def __init__(self, material: Material, scored: Collection[str], scalings: Mapping[str, Scaling]) -> None:
        self.material, self.scored, self.scalings = material, scored, scalings
        self.people = material.people
        self.sequences = {name: feature.sequence for name, feature in material.features.items()}
        self.numbers = {label: number for number, label in enumerate(material.classes)}

    def item(self, name: str, turns: Sequence[Utterance], *, alone: bool = False) -> Item:
        import torch

        ids = tuple(turn.id for turn in turns)
        rows = {modality: self._rows(modality, ids) for modality in self.material.features}
        steps = max((int(one.lengths.max()) for one in rows.values()), default=0)
        return Item(
            dialogue=name,
            ids=ids,
            rows=rows,
            speakers=torch.tensor(_in_order_of_appearance(turns)),
            labels=torch.tensor([self._label(one) for one in ids]),
            weights=torch.tensor([float(self.material.weights.get(one, 1.0)) for one in ids]),
            people=torch.tensor([self._person(turn) for turn in turns]),
            targets=torch.tensor([self._targets(turn) for turn in turns], dtype=torch.float32),
            universal=torch.zeros(len(turns), 0, dtype=torch.int64),
            length=max(steps, 1) if alone else len(turns),
        )

    def _person(self, turn: Utterance) -> int:
        return _UNKNOWN if turn.speaker is None else self.people.get(turn.speaker, _UNKNOWN)

    def _label(self, name: str) -> int:
        label = self.material.labels.get(name) if name in self.scored else None
        return _UNLABELLED if label is None else self.numbers[label]

    def _targets(self, turn: Utterance) -> list[float]:
        known = turn if turn.id in self.scored else replace(turn, scores={})
        return [score(known, name) for name in self.material.targets]

    def _rows(self, modality: str, ids: Sequence[str]) -> ItemRows:
        import torch

        feature, scaling = self.material.features[modality], self.scalings.get(modality)
        lengths = torch.tensor([feature.steps(name) for name in ids])
        present = [name for name, length in zip(ids, lengths.tolist(), strict=True) if length]

        def read() -> Tensor:
            return packed(feature, present, scaling)

        return ItemRows(lengths, read if self.sequences[modality] else read())


def _in_order_of_appearance(turns: Sequence[Utterance]) -> list[int]:
    """The number of each turn's speaker within its dialogue; unknown speakers are different people."""
    order: dict[str, int] = {}
    names = [turn.speaker or f"unknown {turn.id}" for turn in turns]
    return [order.setdefault(name, len(order)) for name in names]


def packed(feature: Feature, ids: Sequence[str], scaling: Scaling | None = None) -> Tensor:
    """The rows of utterances end to end: ``(N, d)`` float32, token numbers ``(N,)`` int64, sound ``(N,)`` float32."""
    import torch

    rows = list(_read(feature, ids, scaling))
    kind = np.int64 if feature.kind == "tokens" else np.float32
    empty = np.zeros((0, feature.width) if feature.kind == "values" else (0,), dtype=kind)
    return torch.from_numpy(np.concatenate([empty, *rows]).astype(kind, copy=False))


def _read(feature: Feature, ids: Sequence[str], scaling: Scaling | None) -> Iterator[np.ndarray]:
    for name in ids:
        row = feature.rows[name]
        row = row if feature.kind != "values" else np.atleast_2d(row)
        yield row if scaling is None else scaling(row)
