"""Retrieval of labelled utterances that are like a given one: the demonstrations of PRC-Emo.

The library holds training utterances of several corpora. MELD and EmoryNLP are of one series and share episodes, so an
utterance is left out where its words are those of a validation or test utterance of any of the corpora, and so is
everything of a dialogue that shares an utterance of five or more words with one of those.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from merc.conversation import Conversation
from merc.corpora import CONVERSATIONS, CORPORA
from merc.errors import InputError
from merc.evaluation.leaks import normalised
from merc.evaluation.protocol import PROTOCOLS, Fold
from merc.labels import common_name
from merc.paths import corpus_root

DIVIDED_BY: Mapping[str, str] = MappingProxyType({"meld": "meld-7", "iemocap": "iemocap6", "emorynlp": "emorynlp-7"})
"""The corpora of the library, and the protocol whose training part is taken."""
_LONG = 5  # words from which a text is hardly repeated by chance


@dataclass(frozen=True, slots=True)
class Example:
    """A labelled training utterance: its corpus, dialogue, id, words and label."""

    corpus: str
    dialogue: str
    id: str
    text: str
    label: str


@dataclass(frozen=True, slots=True)
class Divided:
    """The conversations of a corpus and the fold that says which of them are training."""

    corpus: str
    conversations: Sequence[Conversation]
    fold: Fold

    @classmethod
    def of(cls, corpus: str, data: Path) -> Divided:
        """A corpus of ``DIVIDED_BY``, by the first fold of its protocol.

        Raises:
            InputError: It is not there, or is none of the library's.
        """
        if corpus not in DIVIDED_BY:
            raise InputError(f"library '{corpus}': expected corpora among {', '.join(DIVIDED_BY)}")
        conversations = CONVERSATIONS[corpus](corpus_root(corpus, CORPORA[corpus].folder, data))
        return cls(corpus, conversations, PROTOCOLS[DIVIDED_BY[corpus]].folds(conversations, seed=0)[0])

    @property
    def held_out(self) -> frozenset[str]:
        """Ids of all utterances of validation and test dialogues."""
        return frozenset(self.fold.valid.context | self.fold.test.context)


def label_in(label: str, corpus: str, labels: Sequence[str]) -> str | None:
    """The label among ``labels`` that a label of another corpus stands for; None: none does."""
    names = {common_name(one): one for one in labels}
    found = names.get(common_name(label))
    return found or names.get(CORPORA[corpus].to_ekman7.get(label) or "")


def examples(parts: Sequence[Divided], labels: Sequence[str]) -> list[Example]:
    """The utterances that may be shown: of training, labelled, and nowhere in what validates or tests.

    Args:
        parts: The corpora, each divided.
        labels: Label words; an utterance whose label stands for none of them is left out.
    """
    forbidden = set().union(*(_held_out(one) for one in parts))
    found = [example for one in parts for example in _of(one, labels, forbidden)]
    return [one for one in found if normalised(one.text) not in forbidden]


def _held_out(part: Divided) -> set[str]:
    """What is said in the validation and test dialogues of a corpus, normalised."""
    ids = part.held_out
    return {normalised(turn.text or "") for talk in part.conversations for turn in talk if turn.id in ids} | {""}


def _shared(conversation: Conversation, forbidden: Iterable[str]) -> bool:
    """Whether a dialogue has an utterance of five or more words that is held out elsewhere."""
    texts = {normalised(turn.text or "") for turn in conversation}
    return any(len(words.split()) >= _LONG for words in texts.intersection(forbidden))


def _of(part: Divided, labels: Sequence[str], forbidden: Iterable[str]) -> Iterator[Example]:
    """The labelled training utterances of a corpus, without dialogues that are held out elsewhere."""
    known, training = part.fold.train.labels, set(part.fold.train.conversations)
    for conversation in part.conversations:
        if conversation.id not in training or _shared(conversation, forbidden):
            continue
        for turn in conversation:
            label = label_in(known[turn.id], part.corpus, labels) if turn.id in known else None
            if label:
                text = " ".join((turn.text or "").split())
                yield Example(part.corpus, conversation.id, turn.id, text, label)


class Library:
    """Examples by the similarity of their vectors to a query's.

    Args:
        examples: What may be shown.
        vectors: ``(n, d)``, one each; normalised here.

    Raises:
        InputError: For another number of vectors.

    Example:
        >>> from dataclasses import replace
        >>> one = Example("meld", "dia0", "utt0", "No way!", "surprise")
        >>> library = Library([one, replace(one, dialogue="dia1", id="utt1", label="joy")], np.eye(2))
        >>> [found.label for found in library.nearest(np.array([1.0, 0.2]), 2, corpus="meld", dialogue="dia1")]
        ['surprise']
    """

    def __init__(self, examples: Sequence[Example], vectors: np.ndarray) -> None:
        if len(examples) != len(vectors):
            raise InputError(f"{len(examples)} examples, {len(vectors)} vectors: expected one each")
        self.examples, self.vectors = tuple(examples), _unit(vectors)
        self.homes = np.array([f"{one.corpus}/{one.dialogue}" for one in self.examples])

    def nearest(self, vector: np.ndarray, count: int, *, corpus: str, dialogue: str) -> list[Example]:
        """The examples most like a query by cosine, the most similar first; none of the query's own dialogue.

        Args:
            vector: ``(d,)``, of the query.
            count: How many.
            corpus: Of the query.
            dialogue: Of the query.
        """
        likeness = np.where(self.homes == f"{corpus}/{dialogue}", -np.inf, self.vectors @ _unit(vector[None])[0])
        order = np.argsort(-likeness, kind="stable")[:count]
        return [self.examples[place] for place in order if likeness[place] > -np.inf]

    def drawn(self, random: np.random.Generator, count: int, *, corpus: str, dialogue: str) -> list[Example]:
        """Examples drawn at random, for comparison; none of the query's own dialogue."""
        (able,) = np.nonzero(self.homes != f"{corpus}/{dialogue}")
        return [self.examples[place] for place in random.permutation(able)[:count]]


def _unit(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
    return found
