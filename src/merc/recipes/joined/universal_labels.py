"""Universal labels of a training: what each corpus says of its utterances, filled from neighbours in the others.

A system learns them where its options have ``fields``. Only utterances of training parts get one, and only those lend
their labels to others: what validates or tests is never a neighbour.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from merc.conversation import Conversation, Utterance
from merc.evaluation.protocol import Fold, Protocol
from merc.features.spec import FeatureSpec, Place
from merc.recipes.joined.lending import SENTIMENT
from merc.systems.universal import CLASS, POLARITIES, UniversalLabel, encode, field_of, fill, members_of

if TYPE_CHECKING:
    from merc.training.material import Item

VECTORS = "mpnet"
"""The encoder whose vectors tell neighbours."""


def label_of(turn: Utterance, protocol: Protocol) -> UniversalLabel:
    """What a corpus says of an utterance.

    Args:
        turn: An utterance of a training part.
        protocol: Of its corpus. Under a regression the sentiment is the score; else that of MELD is the polarity.

    Raises:
        InputError: A score outside -3 to 3.
    """
    sentiment = turn.scores.get("sentiment")
    if sentiment is not None and (protocol.dimensions or protocol.corpus == SENTIMENT):
        return UniversalLabel.of_score(float(sentiment))
    name = protocol.label(turn) if protocol.label_set else None
    if name in POLARITIES and field_of(protocol.label_set) == "polarity":
        return UniversalLabel(polarity=name)
    label = UniversalLabel.of_class(name or "")
    return label if sentiment is None else replace(label, polarity=POLARITIES[int(np.sign(sentiment)) + 1])


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus in a training: its conversations with their annotation, its fold, its training items."""

    protocol: Protocol
    place: Place
    conversations: Sequence[Conversation]
    fold: Fold
    items: Sequence[Item]

    @property
    def turns(self) -> list[Utterance]:
        """The utterances of its training part that count."""
        return [turn for one in self.conversations for turn in one if turn.id in self.fold.train.scored]


def learned(sources: Sequence[Source], names: Sequence[str]) -> list[Item]:
    """The training items of all corpora with their universal labels.

    Args:
        sources: The corpus that is measured, then those that lend their labels.
        names: The fields that are written.

    Returns:
        Items. Those of lenders have as their class what the filled label says, -1 where it is none of the classes.
    """
    labels = [{turn.id: label_of(turn, one.protocol) for turn in one.turns} for one in sources]
    if len(sources) > 1:
        labels = _filled(sources, labels)
    first, *others = sources
    classes = first.protocol.label_set
    found = [_with_labels(item, labels[0], names) for item in first.items]
    for source, own in zip(others, labels[1:], strict=True):
        found += [_as_classes(_with_labels(item, own, names), names, classes) for item in source.items]
    return found


def _filled(
    sources: Sequence[Source], labels: Sequence[Mapping[str, UniversalLabel]]
) -> list[dict[str, UniversalLabel]]:
    """Labels with what is missing taken from neighbours; an utterance without words has none."""
    vectors = [_vectors(one) for one in sources]
    rows = [(place, name) for place, own in enumerate(labels) for name in own if name in vectors[place]]
    matrix = np.stack([vectors[place][name] for place, name in rows])
    filled = fill([labels[place][name] for place, name in rows], matrix)
    found = [dict(own) for own in labels]
    for (place, name), label in zip(rows, filled, strict=True):
        found[place][name] = label
    return found


def _vectors(source: Source) -> Mapping[str, np.ndarray]:
    """Sentence vectors of a corpus by utterance."""
    spec = FeatureSpec({"text": VECTORS})
    return spec.load(source.conversations, place=source.place)["text"].rows


def _with_labels(item: Item, labels: Mapping[str, UniversalLabel], names: Sequence[str]) -> Item:
    import torch

    nothing = UniversalLabel()
    rows = [encode(labels.get(name, nothing), names) for name in item.ids]
    return replace(item, universal=torch.tensor(rows, dtype=torch.int64))


def _as_classes(item: Item, names: Sequence[str], classes: Sequence[str]) -> Item:
    """The item of a lender with the classes of the corpus that is measured."""
    import torch

    field = field_of(classes)
    if field == CLASS:  # a regression has none
        return item
    numbers = {value: place for place, own in enumerate(members_of(classes, field, len(classes))) for value in own}
    found = [numbers.get(value, -1) for value in item.universal[:, names.index(field)].tolist()]
    return replace(item, labels=torch.tensor(found))
