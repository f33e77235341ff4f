"""Items for heads and text encoders, in three parts: training, validation, test, which share no text, voice or face.

``mixture`` also draws samples whose parts share texts on purpose; their figures are stamped.
"""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from merc.corpora import CORPORA, READERS, Item
from merc.errors import InputError, ProtocolError
from merc.evaluation.leaks import normalised
from merc.labels import EKMAN7
from merc.recipes.head_training import HeadOptions
from merc.reporting.cards import Samples, Shared

PARTS = ("train", "validation", "test")
TEXT_CORPORA = ("goemotions", "isear", "carer", "crowdflower", "semeval2018")
VOICE_CORPORA = ("ravdess", "tess", "savee")
FACE_CORPORA = ("rafdb", "ckplus")

VALIDATION_SPEAKERS = frozenset(f"ravdess-{n:02}" for n in (1, 2, 11, 12)) | {"savee-JE"}
TEST_SPEAKERS = frozenset(f"ravdess-{n:02}" for n in (5, 6, 15, 16, 23, 24)) | {"savee-KL", "tess-YAF"}

_ADDRESS = re.compile(r"https?://\S+|www\.\S+|@\w+")


@dataclass(frozen=True, slots=True)
class Sample:
    """One item of a corpus with its class among the seven and its part."""

    corpus: str
    item: Item
    label: str
    part: str


@dataclass(frozen=True, slots=True)
class Selection:
    """The samples of a head and, in ``removed``, how many items of each corpus were left out for which reason."""

    samples: tuple[Sample, ...]
    removed: dict[str, dict[str, int]]

    def part(self, name: str) -> list[int]:
        """The positions of the samples of one part."""
        return [number for number, sample in enumerate(self.samples) if sample.part == name]

    def counts(self) -> dict[str, dict[str, dict[str, int]]]:
        """Corpus → part → class → number of samples; every class is named, also where it is empty."""
        seen = Counter((sample.corpus, sample.part, sample.label) for sample in self.samples)
        corpora = sorted({sample.corpus for sample in self.samples})
        return {c: {p: {label: seen[c, p, label] for label in EKMAN7} for p in PARTS} for c in corpora}


def plain(text: str) -> str:
    """A written message as a speaker might say it: without addresses, mentions, hash signs, and HTML and line codes."""
    text = html.unescape(text).replace("\\n", " ").replace('\\"', '"')
    return " ".join(_ADDRESS.sub(" ", text).replace("#", "").split())


def select_texts(data: Path, options: HeadOptions) -> Selection:
    """Merge the five text corpora: duplicates once, contradicting twins never, 80/10/10 within corpus and class.

    Official test splits are merged with the rest, since twins cross them. Texts are put in order by a hash of the seed
    and their words, so that the split does not depend on the order of the files. Then each class is cut to the caps,
    each corpus in proportion.
    """
    removed: dict[str, Counter[str]] = {name: Counter() for name in TEXT_CORPORA}
    found: dict[str, list[tuple[str, Item, str]]] = defaultdict(list)
    for name in TEXT_CORPORA:
        for item, label in labelled(name, data, removed[name], semeval_threshold=options.semeval_threshold):
            text = plain(item.text or "")
            if words := normalised(text):
                found[words].append((name, replace(item, text=text), label))
            else:
                removed[name]["no words"] += 1
    strata: dict[tuple[str, str], list[tuple[str, Item]]] = defaultdict(list)
    for words, twins in found.items():
        agreed = len({label for *_, label in twins}) == 1
        for number, (name, item, label) in enumerate(twins):
            if agreed and number == 0:
                strata[name, label].append((words, item))
            else:
                removed[name]["the same text again" if agreed else "the same text with another class"] += 1
    samples = _split_texts(strata, options.split_seed)
    kept = _capped(
        samples, {"train": options.train_cap, "validation": options.held_cap, "test": options.held_cap}, removed
    )
    return Selection(tuple(kept), {name: dict(sorted(counts.items())) for name, counts in removed.items()})


def _split_texts(strata: dict[tuple[str, str], list[tuple[str, Item]]], seed: int) -> list[tuple[float, Sample]]:
    """Give each text its part and its rank, from 0 to 1, within corpus, class and part."""
    ranked = []
    for (corpus, label), texts in sorted(strata.items()):
        ordered = sorted(texts, key=lambda pair: hashlib.sha256(f"{seed}:{pair[0]}".encode()).digest())
        tenth = len(ordered) // 10
        pieces = {"test": ordered[:tenth], "validation": ordered[tenth : 2 * tenth], "train": ordered[2 * tenth :]}
        for part, piece in pieces.items():
            for number, (_, item) in enumerate(piece):
                ranked.append(((number + 0.5) / len(piece), Sample(corpus, item, label, part)))
    return ranked


def _capped(ranked: list[tuple[float, Sample]], caps: dict[str, int], removed: dict[str, Counter[str]]) -> list[Sample]:
    """Keep the lowest ranks of each part and class, which takes every corpus in proportion to its size."""
    cells: dict[tuple[str, str], list[tuple[float, str, str, Sample]]] = defaultdict(list)
    for rank, sample in ranked:
        cells[sample.part, sample.label].append((rank, sample.corpus, sample.item.id, sample))
    kept = []
    for (part, _), cell in sorted(cells.items()):
        cell.sort(key=lambda entry: entry[:3])
        kept += [sample for *_, sample in cell[: caps[part]]]
        for *_, sample in cell[caps[part] :]:
            removed[sample.corpus]["above the cap of its class"] += 1
    return kept


def select_voices(data: Path, options: HeadOptions) -> Selection:
    """Merge the three acted corpora, split by speaker: no speaker is in two parts.

    Test and validation speakers are fixed by name (``TEST_SPEAKERS``, ``VALIDATION_SPEAKERS``), women and men alike.
    """
    del options

    def part(corpus: str, item: Item) -> str:
        if item.speaker in TEST_SPEAKERS:
            return "test"
        return "validation" if item.speaker in VALIDATION_SPEAKERS else "train"

    return _by(VOICE_CORPORA, data, part)


def select_faces(data: Path, options: HeadOptions) -> Selection:
    """Merge RAF-DB (official test, a tenth of the rest for validation) and CK+ (60/20/20 by subject)."""

    def part(corpus: str, item: Item) -> str:
        person = item.speaker or item.id
        share = int.from_bytes(hashlib.sha256(f"{options.split_seed}:{corpus}:{person}".encode()).digest()[:4]) / 2**32
        if corpus == "rafdb":
            return "test" if item.split == "test" else "validation" if share < 0.1 else "train"
        return "test" if share < 0.2 else "validation" if share < 0.4 else "train"

    return _by(FACE_CORPORA, data, part)


def _by(corpora: Sequence[str], data: Path, part: Callable[[str, Item], str]) -> Selection:
    removed: dict[str, Counter[str]] = {name: Counter() for name in corpora}
    samples = []
    for name in corpora:
        for item, label in labelled(name, data, removed[name]):
            samples.append(Sample(name, item, label, part(name, item)))
    return Selection(tuple(samples), {name: dict(sorted(counts.items())) for name, counts in removed.items()})


def labelled(
    name: str,
    data: Path,
    removed: Counter[str],
    *,
    semeval_threshold: float | None = None,
    root: Path | None = None,
) -> Iterable[tuple[Item, str]]:
    """The items of a corpus, below the data root or at ``root``, that have one class among the seven.

    The others are counted by reason.
    """
    corpus = CORPORA[name]
    root = root or data / corpus.folder
    if not root.exists():
        raise InputError(f"corpus '{name}': no folder or file {root}; {corpus.title} comes from {corpus.source}")
    options = {"threshold": semeval_threshold} if name == "semeval2018" and semeval_threshold is not None else {}
    for item in READERS[name](root, **options):
        label = corpus.ekman7(item)
        if label is None:
            removed[item.defect or "no class, or several, among the seven"] += 1
        else:
            yield item, label


SELECTORS: dict[str, Callable[[Path, HeadOptions], Selection]] = {
    "text": select_texts,
    "voice": select_voices,
    "face": select_faces,
}


SAMPLES = {
    "distinct": "distinct texts, 80/10/10 within corpus and class; no text in two parts",
    "paper": "paper-like, shares texts between splits: equal shares of the corpora that have the emotion",
    "paper-replaced": "paper-like, shares texts between splits: as paper, but every draw with replacement",
    "paper-pooled": "paper-like, shares texts between splits: all corpora in one pot, repeated where it runs short",
    "paper-sources": "paper-like, shares texts between splits: as many of each corpus, equal shares of its emotions",
    "paper-each": "paper-like, shares texts between splits: as many of each emotion from each corpus that has it",
}
"""Ways to sample the texts of an encoder by name, with the stamp that their figures carry.

The five corpora have some 1,700 distinct texts of disgust. A sample of 6,200 of each emotion repeats texts, and a
random split then has copies on both sides; such samples are drawn here to show what that is worth.
"""

ITEMS, TEXTS = "items", "distinct texts"
"""What ``census`` counts."""

T = TypeVar("T")
Pools = dict[str, dict[str, list[Item]]]
Drawn = tuple[str, Item, str]

_EVERYTHING = 10**9


def mixture(sample: str, data: Path, *, each: int, seed: int) -> Selection:
    """The texts of a sample with their parts; ``each`` is how many of a class train (distinct) or are drawn.

    In "paper-sources" it is how many of each corpus are drawn, in "paper-each" how many of each class of each corpus.

    Raises InputError for an unknown sample or a missing corpus, ProtocolError should distinct texts be in two parts.
    """
    if sample not in SAMPLES:
        raise InputError(f"sample '{sample}': expected {', '.join(SAMPLES)}")
    if sample == "distinct":
        chosen = select_texts(data, HeadOptions(train_cap=each, split_seed=seed))
        _refuse_shared(chosen)
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


def _share(total: int, number: int, shares: int) -> int:
    """The size of one of several shares that differ by one at most."""
    return total // shares + (number < total % shares)


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
    """The normalised text of a sample."""
    return normalised(sample.item.text or "")


def overlap(selection: Selection) -> Shared:
    """How many test items have a text of the training part."""
    known = {words(selection.samples[n]) for n in selection.part("train")}
    test = [words(selection.samples[n]) for n in selection.part("test")]
    items = sum(text in known for text in test)
    return Shared(items, round(items / max(1, len(test)), 4), len(test))


def _refuse_shared(selection: Selection) -> None:
    """Raise ProtocolError where a text of the test part is in training or validation too."""
    texts = {part: {words(selection.samples[n]) for n in selection.part(part)} for part in PARTS}
    if shared := texts["test"] & (texts["train"] | texts["validation"]):
        raise ProtocolError(f"{len(shared)} texts of the test part are in another part too: they measure nothing")


def census(selection: Selection) -> tuple[Samples, ...]:
    """Items and distinct texts of each label, by part."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for sample in selection.samples:
        found[sample.part, sample.label].append(words(sample))
    rows = []
    for part in PARTS:
        rows.append(Samples(ITEMS, part, {label: len(found[part, label]) for label in EKMAN7}))
        rows.append(Samples(TEXTS, part, {label: len(set(found[part, label])) for label in EKMAN7}))
    return tuple(rows)


def available(data: Path) -> dict[str, int]:
    """Distinct texts of each class that the corpora hold, those of two classes left out."""
    everything = select_texts(data, HeadOptions(train_cap=_EVERYTHING, held_cap=_EVERYTHING))
    seen = Counter(sample.label for sample in everything.samples)
    return {label: seen[label] for label in EKMAN7}


def twins(data: Path, items: Sequence[Item], trained: Mapping[str, Any]) -> dict[str, int]:
    """How many texts have the words of a training text of a head, by the options of its training."""
    chosen = HeadOptions(
        **{name: trained[name] for name in ("split_seed", "train_cap", "held_cap", "semeval_threshold")}
    )
    seen = {normalised(s.item.text or "") for s in select_texts(data, chosen).samples if s.part == "train"}
    found = [text for text in (normalised(item.text or "") for item in items) if text in seen]
    return {"utterances": len(found), "of_five_words_or_more": sum(len(text.split()) >= 5 for text in found)}
