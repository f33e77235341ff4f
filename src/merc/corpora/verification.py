"""Completeness of a copy of a corpus: its counts compared with the published ones, and missing files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from merc.corpora.corpus import Corpus, Item
from merc.registry import Registry


@dataclass(frozen=True, slots=True)
class Count:
    """A count.

    Args:
        what: What is counted.
        expected: Published number.
        found: Number in this copy.

    Example:
        >>> Count("train joy", expected=1743, found=1742).ok
        False
    """

    what: str
    expected: int
    found: int

    @property
    def ok(self) -> bool:
        """Whether both numbers are equal."""
        return self.expected == self.found


@dataclass(frozen=True, slots=True)
class Verification:
    """Result of a verification.

    Args:
        corpus: Id of the corpus.
        rows: Counts.
        missing: Missing media and tables. (A missing annotation file is an exception instead.)
        orphans: Files without annotation.

    Example:
        >>> Verification("meld", (Count("train", 9989, 9989), Count("test", 2610, 2600))).unequal
        (Count(what='test', expected=2610, found=2600),)
    """

    corpus: str
    rows: tuple[Count, ...]
    missing: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether all counts are equal; missing media are reported but do not count."""
        return all(row.ok for row in self.rows)

    @property
    def unequal(self) -> tuple[Count, ...]:
        """Counts that differ."""
        return tuple(row for row in self.rows if not row.ok)


CHECKS: Registry[Callable[[Path], list[tuple[str, int, int]]]] = Registry(
    "corpus with checks", {name: f"merc.corpora.{name}:checks" for name in ("iemocap", "semeval2018")}
)
PUBLISHED: Registry[Callable[[Path], Mapping[str, int]]] = Registry(
    "corpus in several layouts", {name: f"merc.corpora.{name}:published" for name in ("affectnet", "emorynlp")}
)
MISSING: Registry[Callable[[Path], tuple[str, ...]]] = Registry(
    "corpus with media",
    {
        "crema-d": "merc.corpora.crema_d:missing",
        "iemocap": "merc.corpora.iemocap:missing",
        "meld": "merc.corpora.meld:missing",
        "msp-improv": "merc.corpora.msp_improv:missing",
        "msp-podcast": "merc.corpora.msp_podcast:missing",
    },
)
ORPHANS: Registry[Callable[[Path], tuple[str, ...]]] = Registry(
    "corpus with media", {"meld": "merc.corpora.meld:orphans"}
)


def compare(corpus: Corpus, items: Iterable[Item], published: Mapping[str, int]) -> tuple[Count, ...]:
    """Published counts with those of the items, sorted by split, then by label."""
    found = tally(items)
    first = {split: number for number, split in enumerate(("all", *corpus.splits))}
    order = sorted(published, key=lambda what: (" " in what, first.get(what.partition(" ")[0], len(first))))
    return tuple(Count(what, published[what], found[what]) for what in order)


def tally(items: Iterable[Item]) -> Counter[str]:
    """Count items by split, by split and label, and without label, conversations by split, and speakers.

    Keys are those of ``Corpus.counts``; "all" is the sum over the splits. An item with several labels counts for each.
    """
    counts: Counter[str] = Counter()
    groups: set[tuple[str, str]] = set()
    speakers: set[str] = set()
    for item in items:
        for split in {item.split, "all"}:
            counts[split] += 1
            counts.update(f"{split} {label}" for label in item.labels or ("without label",))
            if item.group is not None:
                groups.add((split, item.group))
        if item.speaker is not None:
            speakers.add(item.speaker)
    counts.update(f"{split} conversations" for split, _ in groups)
    counts["speakers"] = len(speakers)
    return counts
