"""The words of each utterance as numbers of a vocabulary that is built from the training part of a fold alone.

Named on the command line as ``text=words``. Number 0 is every word that the vocabulary does not hold, so that words
which only validation or test texts have say nothing but that they are unknown.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from merc.cache import key
from merc.conversation import Conversation
from merc.errors import InputError
from merc.features.feature import Feature

NAME = "words"
"""The source of features that means word numbers."""
UNKNOWN = 0
"""The number of a word that is not in the vocabulary."""
LEAST = 2
"""Times that a word must occur in training; rarer ones are unknown, so that the vector of number 0 is trained too."""

_WORD = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def words_of(text: str) -> list[str]:
    """Words and punctuation marks of a text, in lower case.

    Example:
        >>> words_of("Don't go, Joey!")
        ["don't", 'go', ',', 'joey', '!']
    """
    return _WORD.findall(text.lower().replace("’", "'"))


@dataclass(frozen=True)
class Vocabulary:
    """Known words, whose numbers are 1, 2, … in their order; 0 is any other word.

    Example:
        >>> known = Vocabulary.of(["Oh no.", "oh, no", "Oh my."])
        >>> known.words, known.numbers("Oh my, no.").tolist()
        (('oh', '.', 'no'), [1, 0, 0, 3, 2])
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, texts: Iterable[str], *, least: int = LEAST) -> Vocabulary:
        """The words that occur ``least`` times in texts, the most frequent first, equal ones in alphabetical order."""
        counts = Counter(word for text in texts for word in words_of(text))
        kept = sorted((word for word, count in counts.items() if count >= least), key=lambda one: (-counts[one], one))
        return cls(tuple(kept))

    def __len__(self) -> int:
        """How many numbers there are, with that of unknown words."""
        return len(self.words) + 1

    def numbers(self, text: str) -> np.ndarray:
        """The number of each word of a text, int64 ``(words,)``."""
        return np.array([self._places.get(word, UNKNOWN) for word in words_of(text)], dtype=np.int64)

    @cached_property
    def _places(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words, 1)}


def load(conversations: Sequence[Conversation], *, training: Collection[str], least: int = LEAST) -> Feature:
    """The word numbers of every utterance; the vocabulary knows the training texts alone.

    Args:
        conversations: The whole corpus.
        training: Ids of the utterances of the fold's training part.
        least: Times that a word must occur there.

    Returns:
        A feature of kind "tokens", whose width is the size of the vocabulary; an utterance without words has no row.

    Raises:
        InputError: If the training part has no text.
    """
    chosen = frozenset(training)
    said = {turn.id: turn.text for one in conversations for turn in one if turn.text and words_of(turn.text)}
    vocabulary = Vocabulary.of((text for name, text in said.items() if name in chosen), least=least)
    if not vocabulary.words:
        raise InputError(
            f"features {NAME}: no word occurs {least} times in the {len(chosen)} training utterances; choose a corpus "
            "with texts, or another source"
        )
    rows = {name: vocabulary.numbers(text) for name, text in said.items()}
    unknown, total = (sum(int(count) for count in each) for each in zip(*_counts(rows, chosen), strict=True))
    return Feature(
        source=NAME,
        width=len(vocabulary),
        rows=rows,
        sha256=key(NAME, vocabulary.words, list(said.items())),
        notes=(f"{len(vocabulary.words)} words of the training part; {unknown} of {total} other words are unknown",),
        encoder={"name": NAME, "sha256": key(vocabulary.words)},
        kind="tokens",
    )


def _counts(rows: dict[str, np.ndarray], training: Collection[str]) -> list[tuple[int, int]]:
    """Unknown words and words of each utterance outside the training part."""
    return [(0, 0), *((int((row == UNKNOWN).sum()), len(row)) for name, row in rows.items() if name not in training)]
