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
    texts = _texts(conversations)
    vocabulary = Vocabulary.of((texts[name] for name in sorted(training) if name in texts), least=least)
    if not vocabulary.words:
        raise InputError(
            f"features {NAME}: no word occurs {least} times in the {len(training)} training utterances; choose "
            "a corpus with texts, or another source"
        )
    rows = {name: vocabulary.numbers(text) for name, text in texts.items()}
    others = [row for name, row in rows.items() if name not in training]
    return Feature(
        source=NAME,
        width=len(vocabulary),
        rows=rows,
        sha256=key(NAME, vocabulary.words, list(texts.items())),
        notes=(_note(vocabulary, others),),
        encoder={"name": NAME, "sha256": key(vocabulary.words)},
        kind="tokens",
    )


def _texts(conversations: Sequence[Conversation]) -> dict[str, str]:
    """The text of each utterance that has words."""
    turns = (turn for one in conversations for turn in one)
    return {turn.id: turn.text for turn in turns if turn.text and words_of(turn.text)}


def _note(vocabulary: Vocabulary, others: Sequence[np.ndarray]) -> str:
    unknown = sum(int((row == UNKNOWN).sum()) for row in others)
    total = sum(map(len, others))
    return f"{len(vocabulary.words)} words of the training part; {unknown} of {total} other words are unknown"
