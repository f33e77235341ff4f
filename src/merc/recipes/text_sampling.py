"""Which texts tune the sentence encoder: distinct ones, or drawn with replacement as a balanced sample must be.

The five corpora hold some 1,700 distinct texts of disgust. Whoever takes 6,200 of each emotion repeats texts, and a
random split then has copies on both sides; such a sample is drawn here too, to show what that is worth.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from merc.corpora import Item
from merc.errors import InputError, ProtocolError
from merc.labels import EKMAN7
from merc.recipes.head_options import AdaptOptions
from merc.recipes.samples import PARTS, TEXT_CORPORA, Sample, Selection, labelled, normalised, plain, select_texts

SAMPLES = {
    "distinct": "distinct texts, 80/10/10 within corpus and class; no text in two parts",
    "paper": "paper-like, shares texts between splits: equal shares of the corpora that have the emotion",
    "paper-replaced": "paper-like, shares texts between splits: as paper, but every draw with replacement",
    "paper-pooled": "paper-like, shares texts between splits: all corpora in one pot, repeated where it runs short",
    "paper-sources": "paper-like, shares texts between splits: as many of each corpus, equal shares of its emotions",
    "paper-each": "paper-like, shares texts between splits: as many of each emotion from each corpus that has it",
}
"""The samples by name, with the stamp that their figures carry."""

T = TypeVar("T")
Pools = dict[str, dict[str, list[Item]]]
Drawn = tuple[str, Item, str]

_EVERYTHING = 10**9


def mixture(sample: str, data: Path, *, each: int, seed: int) -> Selection:
    """The texts of a sample with their parts; ``each`` is how many of a class train (distinct) or are drawn.

    In "paper-sources" it is how many of each corpus are drawn, in "paper-each" how many of each class of each corpus.

    Raises InputError for an unknown sample or a missing corpus, ProtocolError should distinct texts stand in two parts.
    """
    if sample not in SAMPLES:
        raise InputError(f"sample '{sample}': expected {', '.join(SAMPLES)}")
    if sample == "distinct":
        chosen = select_texts(data, AdaptOptions(train_cap=each, split_seed=seed))
        if shared := overlap(chosen)["texts"]:
            raise ProtocolError(f"{shared} texts of the test part stand elsewhere too: they cannot measure anything")
        return chosen
    removed: dict[str, Counter[str]] = {name: Counter() for name in TEXT_CORPORA}
    pools = _pools(data, removed)
    random = np.random.default_rng(seed)
    drawn = _DRAWS[sample](pools, each, random)
    return Selection(_split(drawn, random), {name: dict(sorted(counts.items())) for name, counts in removed.items()})


def _pools(data: Path, removed: dict[str, Counter[str]]) -> Pools:
    """Class → corpus → its items, the same words as often as they occur."""
    pools: Pools = {label: defaultdict(list) for label in EKMAN7}
    for name in TEXT_CORPORA:
        for item, label in labelled(name, data, removed[name]):
            text = plain(item.text or "")
            if normalised(text):
                pools[label][name].append(replace(item, text=text))
            else:
                removed[name]["no words"] += 1
    return pools


def _by_emotion(pools: Pools, each: int, random: np.random.Generator, *, always: bool = False) -> list[Drawn]:
    """``each`` items of an emotion, from every corpus that has it alike."""
    found: list[Drawn] = []
    for label in EKMAN7:
        for number, (name, items) in enumerate(pools[label].items()):
            share = _share(each, number, len(pools[label]))
            found += [(name, item, label) for item in _draw(items, share, random, always=always)]
    return found


def _pooled(pools: Pools, each: int, random: np.random.Generator) -> list[Drawn]:
    """``each`` items of an emotion, from all corpora as one."""
    found: list[Drawn] = []
    for label in EKMAN7:
        pot = [(name, item, label) for name, items in pools[label].items() for item in items]
        found += _draw(pot, each if pot else 0, random)
    return found


def _by_source(pools: Pools, each: int, random: np.random.Generator) -> list[Drawn]:
    """``each`` items of a corpus, from every emotion that it has alike."""
    found: list[Drawn] = []
    for name in TEXT_CORPORA:
        own = [label for label in EKMAN7 if name in pools[label]]
        for number, label in enumerate(own):
            items = _draw(pools[label][name], _share(each, number, len(own)), random)
            found += [(name, item, label) for item in items]
    return found


def _by_both(pools: Pools, each: int, random: np.random.Generator) -> list[Drawn]:
    """``each`` items of an emotion from every corpus that has it."""
    return [
        (name, item, label)
        for label in EKMAN7
        for name, items in pools[label].items()
        for item in _draw(items, each, random)
    ]


def _share(whole: int, number: int, shares: int) -> int:
    """The size of one of several shares that differ by one at most."""
    return whole // shares + (number < whole % shares)


def _draw(pot: Sequence[T], size: int, random: np.random.Generator, *, always: bool = False) -> list[T]:
    """``size`` of the pot, with replacement where it holds fewer or ``always``."""
    if not size:
        return []
    return [pot[place] for place in random.choice(len(pot), size, replace=always or size > len(pot))]


_DRAWS: dict[str, Callable[[Pools, int, np.random.Generator], list[Drawn]]] = {
    "paper": _by_emotion,
    "paper-replaced": partial(_by_emotion, always=True),
    "paper-pooled": _pooled,
    "paper-sources": _by_source,
    "paper-each": _by_both,
}


def _split(drawn: Sequence[Drawn], random: np.random.Generator) -> tuple[Sample, ...]:
    """Eight tenths train, one selects, one tests: at random, whatever the words."""
    order = random.permutation(len(drawn))
    tenth = len(drawn) // 10
    part = np.full(len(drawn), PARTS[0], dtype=object)
    part[order[:tenth]] = PARTS[2]
    part[order[tenth : 2 * tenth]] = PARTS[1]
    return tuple(Sample(name, item, label, str(part[n])) for n, (name, item, label) in enumerate(drawn))


def words(sample: Sample) -> str:
    """What two samples share that have the same text."""
    return normalised(sample.item.text or "")


def overlap(selection: Selection) -> dict[str, Any]:
    """How many test items have a text of the training part (``items``, ``share``), and how many ``texts`` of the test
    part stand in training or validation."""
    told = {part: [words(selection.samples[n]) for n in selection.part(part)] for part in PARTS}
    known = set(told["train"])
    items = sum(text in known for text in told["test"])
    elsewhere = set(told["test"]) & (known | set(told["validation"]))
    return {"items": items, "share": round(items / max(1, len(told["test"])), 4), "texts": len(elsewhere)}


def census(selection: Selection) -> dict[str, dict[str, dict[str, int]]]:
    """Part → class → items and distinct texts."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sample in selection.samples:
        found[sample.part, sample.label].append(words(sample))
    return {
        part: {label: {"items": len(found[part, label]), "texts": len(set(found[part, label]))} for label in EKMAN7}
        for part in PARTS
    }


def available(data: Path) -> dict[str, int]:
    """Distinct texts of each class that the corpora hold, those of two classes left out."""
    everything = select_texts(data, AdaptOptions(train_cap=_EVERYTHING, held_cap=_EVERYTHING))
    seen = Counter(sample.label for sample in everything.samples)
    return {label: seen[label] for label in EKMAN7}
