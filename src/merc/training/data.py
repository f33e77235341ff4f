"""From conversations and features to batches: which utterances count, what stands beside them, in which order.

A ``Material`` holds all that is known of a corpus under one label set; an ``Item`` is what a system reads at once, a
whole dialogue or a single utterance; ``collate`` pads items into a batch.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.features.feature import Feature, Scaling, aligned

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from merc.systems import Batch

_BUCKET = 8  # batches whose items are sorted by length together: little padding, still another order each epoch
_UNLABELLED = -1


@dataclass(frozen=True, slots=True)
class Item:
    """A dialogue of T utterances, or one utterance (T is 1) of S steps.

    ``features`` by modality ``(T, d)`` or ``(S, d)`` float32 with ``present`` ``(T,)`` or ``(S,)`` bool;
    ``speakers``, ``labels`` int64 and ``weights`` float32 ``(T,)``; values that are absent are zeros.
    """

    dialogue: str
    ids: tuple[str, ...]
    features: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    speakers: Tensor
    labels: Tensor
    weights: Tensor

    @property
    def length(self) -> int:
        """Steps along the axis that is padded."""
        return len(next(iter(self.present.values())))


@dataclass(frozen=True, slots=True)
class Material:
    """A corpus as a system may learn it: conversations, features by modality, and the label of each utterance.

    ``labels`` by utterance id are names out of ``classes``; an utterance without one is context. ``weights`` by
    utterance id say how much it counts in the loss, 1 where not given. Raises InputError for a label outside the
    classes and for no label at all.
    """

    conversations: tuple[Conversation, ...]
    features: Mapping[str, Feature]
    classes: tuple[str, ...]
    labels: Mapping[str, str]
    weights: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.features:
            raise InputError("no features: name at least one, such as text=mpnet")
        for name, label in self.labels.items():
            if label not in self.classes:
                raise InputError(f"utterance '{name}': label '{label}'; expected one of {', '.join(self.classes)}")
        if not self.labels:
            raise InputError(f"no utterance has a label; expected labels out of {', '.join(self.classes)}")
        for name, weight in self.weights.items():
            if not 0 <= weight < float("inf"):
                raise InputError(f"utterance '{name}': weight {weight}; expected 0 or more")

    @property
    def widths(self) -> dict[str, int]:
        """Width of each modality's vectors."""
        return {name: feature.width for name, feature in self.features.items()}

    def counts(self, scored: Collection[str]) -> dict[str, int]:
        """Utterances of each class among those scored, by name, 0 where there is none."""
        found = Counter(self.labels[name] for name in scored if name in self.labels)
        return {label: found[label] for label in self.classes}

    def scalings(self, modalities: Collection[str], ids: Collection[str]) -> dict[str, Scaling]:
        """The standardisation of the modalities named, measured on the utterances given (those of training)."""
        return {name: Scaling.fit(self.features[name], ids) for name in self.features if name in modalities}

    def items(
        self, scored: Collection[str], *, level: str, scalings: Mapping[str, Scaling] | None = None
    ) -> list[Item]:
        """The dialogues that hold a scored utterance, or at level "utterance" each scored utterance, in corpus order.

        Utterances that are not scored are context without a label, as are scored ones whose label is not known (those
        of a sealed test part). Raises InputError when a scored utterance is in no conversation, when none is scored,
        and when no utterance has a value of a modality.
        """
        chosen = set(scored)
        held = {utterance.id for conversation in self.conversations for utterance in conversation}
        if strange := sorted(chosen - held):
            raise InputError(f"{len(strange)} utterances to score are in no conversation, first '{strange[0]}'")
        if not chosen:
            raise InputError("no utterance to score: this part of the corpus holds no label of the label set")
        items = []
        for conversation in self.conversations:
            if level == "dialogue" and any(utterance.id in chosen for utterance in conversation):
                items.append(self._item(conversation, chosen, scalings or {}))
            elif level == "utterance":
                alone = [utterance for utterance in conversation if utterance.id in chosen]
                items += [self._item(utterance, chosen, scalings or {}) for utterance in alone]
        self._inhabited(items)
        return items

    def _inhabited(self, items: Sequence[Item]) -> None:
        for name, feature in self.features.items():
            if not any(bool(item.present[name].any()) for item in items):
                example = next(iter(feature.rows), "none")
                raise InputError(
                    f"features '{feature.source}' ({name}): no value for any of the utterances; the corpus has ids "
                    f"like '{items[0].ids[0]}', the features like '{example}'"
                )

    def _item(self, read: Conversation | Utterance, chosen: set[str], scalings: Mapping[str, Scaling]) -> Item:
        import torch

        order: dict[str, int] = {}
        alone = isinstance(read, Utterance)
        turns = [read] if isinstance(read, Utterance) else list(read)
        ids = tuple(turn.id for turn in turns)
        names = [turn.speaker or f"unknown {turn.id}" for turn in turns]
        known = [self.labels.get(name) if name in chosen else None for name in ids]
        numbers = [_UNLABELLED if label is None else self.classes.index(label) for label in known]
        features, present = {}, {}
        steps = max(_steps(feature, ids[0]) for feature in self.features.values()) if alone else None
        for modality, feature in self.features.items():
            values, there = _values(feature, ids, steps=steps, scaling=scalings.get(modality))
            features[modality], present[modality] = torch.from_numpy(values), torch.from_numpy(there)
        return Item(
            dialogue=read.id,
            ids=ids,
            features=features,
            present=present,
            speakers=torch.tensor([order.setdefault(name, len(order)) for name in names]),
            labels=torch.tensor(numbers),
            weights=torch.tensor([float(self.weights.get(name, 1.0)) for name in ids]),
        )


def _steps(feature: Feature, name: str) -> int:
    row = feature.rows.get(name)
    return 1 if row is None or row.ndim == 1 else len(row)


def _values(
    feature: Feature, ids: Sequence[str], *, steps: int | None, scaling: Scaling | None
) -> tuple[np.ndarray, np.ndarray]:
    """Values and presence: ``(steps, d)`` of one utterance, or without steps ``(T, d)``, sequences by their mean."""
    values = np.zeros((steps or len(ids), feature.width), dtype=np.float32)
    there = np.zeros(len(values), dtype=bool)
    for place, name in enumerate(ids):
        row = feature.rows.get(name)
        if row is None:
            continue
        row = row if scaling is None else scaling(row)
        where = place if steps is None else slice(None)
        values[where] = np.atleast_2d(row).mean(0) if steps is None else aligned(row, steps)
        there[where] = True
    return values, there


def collate(items: Sequence[Item]) -> Batch:
    """Pad items to the longest of them; raises InputError for no item."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    from merc.systems import Batch

    if not items:
        raise InputError("no item to put into a batch")

    def padded(rows: list[Tensor], value: float = 0.0) -> Tensor:
        return pad_sequence(rows, batch_first=True, padding_value=value)

    modalities = list(items[0].features)
    return Batch(
        features={name: padded([item.features[name] for item in items]) for name in modalities},
        present={name: padded([item.present[name] for item in items]) for name in modalities},
        mask=padded([torch.ones(len(item.ids), dtype=torch.bool) for item in items]),
        speakers=padded([item.speakers for item in items]),
        labels=padded([item.labels for item in items], _UNLABELLED),
        weights=padded([item.weights for item in items]),
        ids=tuple(item.ids for item in items),
    )


def batches(items: Sequence[Item], size: int, *, generator: Generator | None = None) -> Iterator[Batch]:
    """Items in batches of a size, those of similar length together; shuffled anew where a generator is given.

    Without a generator the order is fixed (by length), for evaluation.
    """
    import torch

    if generator is None:
        order = sorted(range(len(items)), key=lambda place: -items[place].length)
        groups = [order[start : start + size] for start in range(0, len(order), size)]
    else:
        shuffled = torch.randperm(len(items), generator=generator).tolist()
        groups = []
        for start in range(0, len(shuffled), size * _BUCKET):
            bucket = sorted(shuffled[start : start + size * _BUCKET], key=lambda place: items[place].length)
            groups += [bucket[first : first + size] for first in range(0, len(bucket), size)]
        groups = [groups[place] for place in torch.randperm(len(groups), generator=generator).tolist()]
    for group in groups:
        yield collate([items[place] for place in group])


def with_modalities_dropped(batch: Batch, share: float, *, generator: Generator) -> Batch:
    """Each modality of each utterance made absent with a probability; one that is there always stays.

    Where chance would take all of an utterance, nothing of it is taken.
    """
    import torch

    from merc.systems import Batch as Made

    names = list(batch.features)
    if share == 0 or len(names) < 2:
        return batch
    there = torch.stack([batch.present[name] for name in names])  # (modalities, B, T or S)
    rows = batch.mask.shape if batch.mask.shape == there.shape[1:] else (len(batch.mask), 1)
    kept = there & (torch.rand((len(names), *rows), generator=generator) >= share).expand_as(there)
    kept = kept | (there & ~kept.any(0))
    present: dict[str, Tensor] = {name: kept[place] for place, name in enumerate(names)}
    features = {name: batch.features[name] * present[name][..., None] for name in names}
    return Made(features, present, batch.mask, batch.speakers, batch.labels, batch.weights, batch.ids)
