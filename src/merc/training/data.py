"""From items to batches: which items share a batch, in which order, and how several corpora take turns.

``ItemData`` and ``MixedData`` are the ``Data`` of ``merc.training.loop``: batches are planned as item numbers and
loaded one at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from merc.errors import InputError
from merc.training.loop import Plan
from merc.training.material import Item, ItemRows, Material

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from merc.systems import Batch

__all__ = [
    "Item",
    "ItemData",
    "ItemRows",
    "Material",
    "MixedData",
    "batches",
    "collate",
    "grouped",
    "in_order",
    "with_modalities_dropped",
]

_BUCKET = 8  # batches whose items are sorted by length together: little padding, still another order each epoch
_UNLABELLED = -1
_UNKNOWN = -1


def collate(items: Sequence[Item], *, source: str = "") -> Batch:
    """Pack items into a batch; sequences are read now.

    Args:
        items: Dialogues, or single utterances.
        source: Name of the corpus they come from, where a task has several.

    Returns:
        The batch, padded with absent utterances, on the CPU.

    Raises:
        InputError: If there is no item.

    Example:
        >>> collate([])
        Traceback (most recent call last):
        merc.errors.InputError: no item to put into a batch
    """
    import torch
    from torch.nn.utils.rnn import pad_sequence

    from merc.systems import Batch, Rows

    if not items:
        raise InputError("no item to put into a batch")

    def padded(rows: list[Tensor], value: float = 0.0) -> Tensor:
        return pad_sequence(rows, batch_first=True, padding_value=value)

    def rows(name: str) -> Rows:
        parts = [item.rows[name] for item in items]
        return Rows(torch.cat([one.values for one in parts]), padded([one.lengths for one in parts]))

    return Batch(
        rows={name: rows(name) for name in items[0].rows},
        mask=padded([torch.ones(len(item.ids), dtype=torch.bool) for item in items]),
        speakers=padded([item.speakers for item in items]),
        labels=padded([item.labels for item in items], _UNLABELLED),
        weights=padded([item.weights for item in items]),
        people=padded([item.people for item in items], _UNKNOWN),
        targets=padded([item.targets for item in items], float("nan")),
        universal=padded([item.universal for item in items], _UNKNOWN),
        ids=tuple(item.ids for item in items),
        source=source,
    )


def grouped(items: Sequence[Item], size: int, *, generator: Generator | None = None) -> list[list[int]]:
    """The numbers of the items of each batch, those of similar length together.

    Args:
        items: What is to be read.
        size: Items in a batch; the last may hold fewer.
        generator: Shuffles items and batches; None: a fixed order, by length, for evaluation.

    Returns:
        Each item once; the longest first in a fixed order.

    Example:
        >>> from types import SimpleNamespace
        >>> grouped([SimpleNamespace(length=n) for n in (3, 9, 5)], size=2)
        [[1, 2], [0]]
    """
    import torch

    if generator is None:
        order = sorted(range(len(items)), key=lambda place: -items[place].length)
        return [order[start : start + size] for start in range(0, len(order), size)]
    shuffled = torch.randperm(len(items), generator=generator).tolist()
    groups = []
    for start in range(0, len(shuffled), size * _BUCKET):
        bucket = sorted(shuffled[start : start + size * _BUCKET], key=lambda place: items[place].length)
        groups += [bucket[first : first + size] for first in range(0, len(bucket), size)]
    return [groups[place] for place in torch.randperm(len(groups), generator=generator).tolist()]


def batches(items: Sequence[Item], size: int, *, generator: Generator | None = None) -> Iterator[Batch]:
    """Load batches one at a time.

    Args:
        items: What is to be read.
        size: Items in a batch.
        generator: As for ``grouped``.

    Yields:
        Batches in that order.

    Example:
        >>> list(batches([], size=2))
        []
    """
    for group in grouped(items, size, generator=generator):
        yield collate([items[place] for place in group])


class _InOrder(Iterable["Batch"]):
    """Batches in a fixed order that are loaded each time they are read."""

    def __init__(self, items: Sequence[Item], size: int) -> None:
        self.items, self.size = items, size

    def __iter__(self) -> Iterator[Batch]:
        return batches(self.items, self.size)


def in_order(items: Sequence[Item], size: int) -> Iterable[Batch]:
    """Batches for evaluation, which may be read any number of times.

    Args:
        items: What is to be read.
        size: Items in a batch.

    Returns:
        Batches in a fixed order, kept in memory unless they hold sequences.

    Example:
        >>> list(in_order([], size=2))
        []
    """
    lazy = any(callable(rows.source) for item in items for rows in item.rows.values())
    return _InOrder(items, size) if lazy else list(batches(items, size))


class ItemData:
    """Items as training data of the loop.

    Args:
        items: Dialogues, or single utterances.
        size: Items in a batch.
        choose: Epoch (from 1) to the numbers of the items that it reads, for a curriculum; None: all of them.
        source: Name of the corpus, where a task has several.

    Raises:
        InputError: There is no item, or a batch would have none.

    Example:
        >>> from merc.features.feature import Feature
        >>> from merc.conversation import Conversation, Utterance
        >>> import numpy as np, torch
        >>> read = (Conversation("d", (Utterance("a", "F", "Hi."), Utterance("b", "M", "No."))),)
        >>> text = Feature.of(["a", "b"], np.ones((2, 3)), source="made")
        >>> made = Material(read, {"text": text}, ("joy", "anger"), {"a": "joy", "b": "anger"})
        >>> data = ItemData(made.items(["a", "b"], level="dialogue"), size=8)
        >>> (plan,) = data.plan(1, torch.Generator().manual_seed(0))
        >>> data.load(plan).vectors("text")[0].shape
        torch.Size([1, 2, 3])
    """

    def __init__(
        self,
        items: Sequence[Item],
        size: int,
        *,
        choose: Callable[[int], Sequence[int]] | None = None,
        source: str = "",
    ) -> None:
        if size < 1:
            raise InputError(f"batches of {size} items; expected at least 1")
        if not items:
            raise InputError("no item to train on")
        self.items, self.size, self.choose, self.source = items, size, choose, source

    def plan(self, epoch: int, generator: Generator, world: int = 1) -> list[Plan]:
        """The batches of an epoch.

        Args:
            epoch: From 1.
            generator: Shuffles items and batches.
            world: Number of processes; each plan holds so many times the batch size.

        Returns:
            One plan a batch.
        """
        numbers = list(self.choose(epoch)) if self.choose else list(range(len(self.items)))
        groups = grouped([self.items[one] for one in numbers], self.size * world, generator=generator)
        return [Plan(tuple(numbers[place] for place in group), self.source) for group in groups]

    def load(self, plan: Plan) -> Batch:
        """Read the batch of a plan.

        Args:
            plan: One of the plans.

        Returns:
            The batch, on the CPU.
        """
        return collate([self.items[one] for one in plan.items], source=self.source)


class MixedData:
    """Several corpora, each with its own labels, whose batches take turns; ``Batch.source`` names the corpus.

    Args:
        parts: Training data by the name of its corpus.
        alternate: False: each corpus is read once an epoch and its batches are spread evenly over it. True: one batch
            of each corpus in turn, where shorter corpora start again until the longest is read.

    Raises:
        InputError: If there is no corpus.

    Example:
        >>> MixedData({})
        Traceback (most recent call last):
        merc.errors.InputError: no corpus to train on
    """

    def __init__(self, parts: Mapping[str, ItemData], *, alternate: bool = False) -> None:
        if not parts:
            raise InputError("no corpus to train on")
        self.parts, self.alternate = dict(parts), alternate

    def plan(self, epoch: int, generator: Generator, world: int = 1) -> list[Plan]:
        """The batches of an epoch over all corpora; arguments and result as for ``ItemData.plan``."""
        plans = {name: self._named(name, epoch, generator, world) for name in self.parts}
        if not self.alternate:
            spread = [((place + 0.5) / len(own), one) for own in plans.values() for place, one in enumerate(own)]
            return [one for _, one in sorted(spread, key=lambda pair: pair[0])]
        rounds = max(map(len, plans.values()))
        for name, own in plans.items():
            while len(own) < rounds:
                own += self._named(name, epoch, generator, world)
        return [own[place] for place in range(rounds) for own in plans.values()]

    def _named(self, name: str, epoch: int, generator: Generator, world: int) -> list[Plan]:
        return [replace(one, source=name) for one in self.parts[name].plan(epoch, generator, world)]

    def load(self, plan: Plan) -> Batch:
        """Read the batch of a plan from its corpus; arguments and result as for ``ItemData.load``."""
        return replace(self.parts[plan.source].load(plan), source=plan.source)


def with_modalities_dropped(batch: Batch, share: float, *, generator: Generator) -> Batch:
    """Make each modality of each utterance absent with a probability; one that is there always stays.

    Args:
        batch: Of any modalities.
        share: The probability.
        generator: Draws.

    Returns:
        The batch without what was drawn. Where chance would take all of an utterance, nothing of it is taken.

    Example:
        >>> import torch
        >>> from merc.systems import Batch
        >>> whole = Batch.of({"text": torch.ones(1, 99, 2), "voice": torch.ones(1, 99, 2)})
        >>> fewer = with_modalities_dropped(whole, 0.5, generator=torch.Generator().manual_seed(0))
        >>> bool((fewer.present("text") | fewer.present("voice")).all()), bool(fewer.present("text").all())
        (True, False)
    """
    import torch

    names = list(batch.rows)
    if share == 0 or len(names) < 2:
        return batch
    there = torch.stack([batch.rows[name].present for name in names])  # (modalities, B, T)
    kept = there & (torch.rand(there.shape, generator=generator) >= share)
    kept = kept | (there & ~kept.any(0))
    return replace(batch, rows={name: batch.rows[name].where(kept[place]) for place, name in enumerate(names)})
