"""Which items of which corpora train, select and test a head: three parts that share no text, no voice and no face."""

from __future__ import annotations

import hashlib
import html
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from merc.corpora import CORPORA, READERS, Item
from merc.errors import InputError
from merc.labels import EKMAN7
from merc.recipes.head_options import AdaptOptions

PARTS = ("train", "validation", "test")
TEXT_CORPORA = ("goemotions", "isear", "carer", "crowdflower", "semeval2018")
VOICE_CORPORA = ("ravdess", "tess", "savee")
FACE_CORPORA = ("rafdb", "ckplus")

VALIDATION_SPEAKERS = frozenset(f"ravdess-{n:02}" for n in (1, 2, 11, 12)) | {"savee-JE"}
TEST_SPEAKERS = frozenset(f"ravdess-{n:02}" for n in (5, 6, 15, 16, 23, 24)) | {"savee-KL", "tess-YAF"}

_ADDRESS = re.compile(r"https?://\S+|www\.\S+|@\w+")
_WORD = re.compile(r"\w+")


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


def normalised(text: str) -> str:
    """What two texts must share to count as the same: their words, without case, signs and spacing."""
    return " ".join(_WORD.findall(text.casefold()))


def select_texts(data: Path, options: AdaptOptions) -> Selection:
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


def select_voices(data: Path, options: AdaptOptions) -> Selection:
    """Merge the three acted corpora, split by speaker: nobody is heard in two parts.

    Test and validation speakers are fixed by name (``TEST_SPEAKERS``, ``VALIDATION_SPEAKERS``), women and men alike.
    """
    del options

    def part(corpus: str, item: Item) -> str:
        if item.speaker in TEST_SPEAKERS:
            return "test"
        return "validation" if item.speaker in VALIDATION_SPEAKERS else "train"

    return _by(VOICE_CORPORA, data, part)


def select_faces(data: Path, options: AdaptOptions) -> Selection:
    """Merge RAF-DB (official test, a tenth of the rest for validation) and CK+ (60/20/20 by subject)."""

    def part(corpus: str, item: Item) -> str:
        whole = item.speaker or item.id
        share = int.from_bytes(hashlib.sha256(f"{options.split_seed}:{corpus}:{whole}".encode()).digest()[:4]) / 2**32
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
    name: str, data: Path, removed: Counter[str], *, semeval_threshold: float | None = None
) -> Iterable[tuple[Item, str]]:
    """The items of a corpus that have one class among the seven; the others are counted by reason."""
    corpus = CORPORA[name]
    root = data / corpus.folder
    if not root.exists():
        raise InputError(f"corpus '{name}': no folder or file {root}; {corpus.title} comes from {corpus.source}")
    options = {"threshold": semeval_threshold} if name == "semeval2018" and semeval_threshold is not None else {}
    for item in READERS[name](root, **options):
        label = corpus.ekman7(item)
        if label is None:
            removed[item.defect or "no class, or several, among the seven"] += 1
        else:
            yield item, label


SELECTORS: dict[str, Callable[[Path, AdaptOptions], Selection]] = {
    "text": select_texts,
    "voice": select_voices,
    "face": select_faces,
}
