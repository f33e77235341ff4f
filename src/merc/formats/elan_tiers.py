"""Tiers of an ELAN file as a tree, and which of them has the words: its users build them in many ways.

The words may be on the tier without a parent, or below it: on a tier by symbolic association or subdivision (the parent
has ids, a placeholder or nothing), or on a tier with times of its own by time subdivision, sentence by sentence or word
by word.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from xml.etree import ElementTree

from merc.conversation import Word
from merc.formats import source
from merc.formats.source import Item

_SPEECH = re.compile(
    r"te?xt?|utt(erance)?s?|ut|transcr(ipt|iption)?|speech|spoken|w(or)?ds?|orth(ographic|ography)?|ort|sentences?|"
    r"phrases?|said|verbatim"
)
_OTHER = re.compile(
    r"trans(lations?|l)?|trad|fte?|free|gloss(es)?|g[els]|gls|ps|pos|mb|morph(eme|s|emes)?|lemma|notes?|nt|comments?|"
    r"gestures?|gaze|posture|heads?|hands?|face|emotions?|labels?|confidence|ids?|ref|phon(etic|emes?|es?)?|ipa|noise|"
    r"events?|topics?|speaker"
)
_CODES = 0.8  # share of the values of a tier that are single codes with a digit, from which it holds ids
_SENTENCE = 1.5  # words an annotation, from which annotations with times of their own are utterances, not words


@dataclass(frozen=True, slots=True)
class Annotation:
    """An annotation: its own times in seconds, or the annotation that it refers to."""

    id: str
    text: str
    start: float | None = None
    end: float | None = None
    refers: str | None = None


@dataclass(slots=True, eq=False)
class Tier:
    """A tier with its annotations and the tiers below it."""

    name: str
    kind: str
    participant: str | None
    parent: str | None
    annotations: list[Annotation]
    children: list[Tier] = field(default_factory=list)

    @property
    def speaker(self) -> str | None:
        """The participant, or the part of the name behind ``@``, or the name."""
        return self.participant or self.name.rpartition("@")[2] or None

    @property
    def texts(self) -> list[str]:
        """The values that are not empty."""
        return [one.text for one in self.annotations if one.text.strip()]

    @property
    def timed(self) -> bool:
        """Whether its annotations have times of their own."""
        return any(one.refers is None for one in self.annotations)

    def family(self) -> list[Tier]:
        """The tier and all below it."""
        return [self, *self.below()]

    def below(self) -> Iterator[Tier]:
        """All tiers below it, parents first."""
        level = list(self.children)
        while level:
            yield from level
            level = [child for tier in level for child in tier.children]


def roots(tiers: Sequence[Tier]) -> list[Tier]:
    """The tiers without a parent, with the others below them; a tier whose parent does not exist is a root."""
    names = {tier.name: tier for tier in tiers}
    found = []
    for tier in tiers:
        parent = names.get(tier.parent or "")
        if parent is None or parent is tier:
            found.append(tier)
        else:
            parent.children.append(tier)
    return found


def annotation(element: ElementTree.Element, slots: Mapping[str | None, float | None]) -> Annotation:
    """An annotation from ``ALIGNABLE_ANNOTATION`` or ``REF_ANNOTATION``."""
    text = element.findtext("ANNOTATION_VALUE") or ""
    name = element.get("ANNOTATION_ID", "")
    if element.tag == "REF_ANNOTATION":
        return Annotation(name, text, refers=element.get("ANNOTATION_REF") or "")
    return Annotation(name, text, slots[element.get("TIME_SLOT_REF1")], slots[element.get("TIME_SLOT_REF2")])


def worded(root: Tier) -> Tier:
    """The tier of a tree that has the words: the root, unless it is empty or holds ids or one placeholder.

    Example:
        >>> ids = Tier("ref@A", "ref", "A", None, [Annotation("a", "A_001"), Annotation("b", "A_002")])
        >>> ids.children = [Tier("ft@A", "ft", "A", "ref@A", [Annotation("c", "He is.", refers="a")])]
        >>> ids.children += [Tier("tx@A", "tx", "A", "ref@A", [Annotation("d", "Il est.", refers="a")])]
        >>> worded(ids).name
        'tx@A'
    """
    if root.texts and not _codes(root.texts) and not _placeholder(root):
        return root
    below = [tier for tier in root.below() if tier.texts and not _codes(tier.texts)]
    return max(below, key=tendency, default=root)  # of several the first


def tendency(tier: Tier) -> int:
    """Whether the names of a tier and its type say that it has what was said: 1, something else: -1, or neither: 0."""
    words = re.findall(r"[a-z]+", f"{tier.name.partition('@')[0]} {tier.kind}".lower())
    return any(map(_SPEECH.fullmatch, words)) - any(map(_OTHER.fullmatch, words))


def _codes(texts: Sequence[str]) -> bool:
    codes = sum(re.fullmatch(r"\S*\d\S*", text.strip()) is not None for text in texts)
    return codes >= _CODES * len(texts)


def _placeholder(root: Tier) -> bool:
    """Whether all annotations of a tier have the same single word, and a tier below has more to say."""
    values = {text.strip().lower() for text in root.texts}
    if len(values) > 1 or len(next(iter(values)).split()) > 1:
        return False
    return any(len(set(tier.texts)) > 1 or tendency(tier) > 0 for tier in root.below())


def utterances(root: Tier) -> list[Item]:
    """The utterances of a tree; values of its other tiers go to ``meta`` by linguistic type."""
    tier = worded(root)
    owners = _Owners(root)
    if tier is not root and tier.timed and _words_each(tier) >= _SENTENCE:
        return [Item(one.text or None, tier.speaker, one.start, one.end, one.id) for one in tier.annotations]
    texts = owners.joined(tier)
    words = owners.words(texts)
    others = [(other.kind or other.name, owners.joined(other)) for other in root.family() if other is not tier]
    return [
        Item(
            texts.get(one.id),
            root.speaker,
            one.start,
            one.end,
            one.id,
            words=words.get(one.id, ()),
            meta={kind: values[one.id] for kind, values in others if one.id in values},
        )
        for one in root.annotations
    ]


def _words_each(tier: Tier) -> float:
    return sum(len(text.split()) for text in tier.texts) / max(1, len(tier.texts))


class _Owners:
    """Which annotation of a root each annotation below it belongs to: by reference, else by time."""

    def __init__(self, root: Tier) -> None:
        self._root = root
        spans = [(one.start, one.end or one.start, one.id) for one in root.annotations if one.start is not None]
        self._timed = sorted(spans)
        self._starts = [start for start, _, _ in self._timed]
        self._of = {one.id: one.id for one in root.annotations}
        for one in chain.from_iterable(tier.annotations for tier in root.below()):
            owner = self._at(one) if one.refers is None else self._of.get(one.refers)
            if owner is not None:
                self._of[one.id] = owner

    def joined(self, tier: Tier) -> dict[str, str]:
        """The values of a tier, joined by spaces for each annotation of the root."""
        found: dict[str, list[str]] = {}
        for one in tier.annotations:
            if one.text and one.id in self._of:
                found.setdefault(self._of[one.id], []).append(one.text)
        return {owner: " ".join(texts) for owner, texts in found.items()}

    def words(self, texts: Mapping[str, str]) -> dict[str, tuple[Word, ...]]:
        """Words with times from the first tier whose annotations are the words of the texts."""
        for tier in filter(lambda tier: tier.timed, self._root.below()):
            found = self._timed_words(tier)
            if found and all(_same(words, texts.get(owner, "")) for owner, words in found.items()):
                return {owner: tuple(words) for owner, words in found.items()}
        return {}

    def _timed_words(self, tier: Tier) -> dict[str, list[Word]]:
        found: dict[str, list[Word]] = {}
        for one in tier.annotations:
            span = source.span(one.start, one.end)
            if span and one.text.strip() and one.id in self._of:
                found.setdefault(self._of[one.id], []).append(Word(one.text.strip(), span))
        return found

    def _at(self, one: Annotation) -> str | None:
        if one.start is None:
            return None
        middle = one.start if one.end is None else (one.start + one.end) / 2
        place = bisect_right(self._starts, middle) - 1
        return self._timed[place][2] if place >= 0 and middle <= self._timed[place][1] else None


def _same(words: Sequence[Word], text: str) -> bool:
    return " ".join(word.text for word in words).split() == text.split()
