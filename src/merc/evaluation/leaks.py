"""Leaks between parts: shared dialogues and speakers are refused, shared texts are counted."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from merc.conversation import Conversation
from merc.errors import ProtocolError
from merc.evaluation.parts import Part, SharedTexts

_LONG = 5  # words from which a text is hardly repeated by chance
_WORD = re.compile(r"\w+")


def normalised(text: str) -> str:
    """What two texts must share to count as the same: their words, without case, punctuation and spacing.

    Example:
        >>> normalised("You’re — WHAT?!") == normalised("you're what") == "you re what"
        True
    """
    return " ".join(_WORD.findall(text.casefold()))


def shared_texts(conversations: Iterable[Conversation], *, train: Part, test: frozenset[str]) -> SharedTexts:
    """Count the test utterances whose normalised text occurs among the counting utterances of train.

    Utterances without text, or of punctuation alone, are in ``of`` but shared with nothing.
    """
    texts = {u.id: u.text or "" for c in conversations for u in c}
    words = {name: normalised(text) for name, text in texts.items()}
    trained = {words[name] for name in train.ids} - {""}
    twins = [texts[name] for name in test if words[name] in trained]
    return SharedTexts(len(twins), sum(len(text.split()) >= _LONG for text in twins), len(test))


def refuse_shared_dialogues(where: str, parts: Sequence[Part], *, apart: Sequence[tuple[str, str]]) -> None:
    """Raise ProtocolError naming the first dialogue that two parts share, for the pairs of part names given."""
    _refuse(where, {part.name: part.conversations for part in parts}, apart, "dialogue")


def refuse_shared_speakers(where: str, parts: Sequence[Part], *, apart: Sequence[tuple[str, str]]) -> None:
    """Raise ProtocolError naming the first speaker that two parts share, for the pairs of part names given."""
    names = {part.name: tuple(s for s in part.speakers.values() if s is not None) for part in parts}
    _refuse(where, names, apart, "speaker")


def _refuse(where: str, held: dict[str, tuple[str, ...]], apart: Sequence[tuple[str, str]], kind: str) -> None:
    for first, second in apart:
        if shared := sorted(set(held[first]) & set(held[second])):
            raise ProtocolError(
                f"{where}: {kind} '{shared[0]}' is in {first} and in {second} ({len(shared)} shared in all); expected "
                f"each {kind} in one of them: correct the split or the {kind} names of the corpus"
            )
