"""A dialogue as windows of tokens for a text encoder, and what the encoder reads of an utterance. No torch is needed.

An utterance is read with those before it in one window, so that a dialogue costs hardly more than its utterances alone.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

OUTSIDE = -2
"""Owner of a padding token."""
START = -1
"""Owner of the token that opens a window."""
NAMINGS = ("name", "letter", "number", "none")
"""What precedes an utterance's words: the speaker's name, a letter, an anonymised number, or nothing."""


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a dialogue that fits into the encoder.

    Args:
        dialogue: Number of the dialogue.
        first: Place in the dialogue of its first utterance.
        scored: The first utterance that is read here, counted from ``first``; those before are context.
        tokens: Numbers of the tokens.
        owners: For each token its utterance, counted from ``first``; ``START`` for the opening token.

    Example:
        >>> Window(0, 4, 1, (0, 5, 2, 7, 2), (START, 0, 0, 1, 1)).utterances
        2
    """

    dialogue: int
    first: int
    scored: int
    tokens: tuple[int, ...]
    owners: tuple[int, ...]

    @property
    def utterances(self) -> int:
        """How many utterances the window holds, context included."""
        return self.owners[-1] + 1


def turn(text: str, speaker: str | None) -> str:
    """What the encoder reads of an utterance.

    Args:
        text: Its words.
        speaker: Name, letter or number; None: unknown.

    Returns:
        The name before the words.

    Example:
        >>> turn("Hello.", "Ann"), turn("Hello.", None)
        ('Ann: Hello.', 'Hello.')
    """
    return f"{speaker}: {text}" if speaker else text


def spoken(texts: Sequence[str | None], speakers: Sequence[Hashable], naming: str) -> list[str]:
    """What an encoder reads of each utterance; one without words becomes an ellipsis and stays in the context.

    Args:
        texts: Of all utterances of a dialogue, in order.
        speakers: Who says each; None: unknown.
        naming: One of NAMINGS; letters and numbers follow the order in which speakers first speak.

    Example:
        >>> spoken(["Hello.", None, "Well."], ["Ann", "Ben", None], "number")
        ['Speaker 1: Hello.', 'Speaker 2: ...', 'Well.']
    """
    order = list(dict.fromkeys(speakers))
    names: dict[Hashable, str | None] = {}
    if naming == "name":
        names = {one: None if one is None else str(one) for one in order}
    elif naming == "letter":
        names = {one: chr(ord("A") + number % 26) for number, one in enumerate(order)}
    elif naming == "number":
        known = [one for one in order if one is not None]
        names = {one: f"Speaker {number}" for number, one in enumerate(known, start=1)}
    return [turn((text or "").strip() or "...", names.get(one)) for text, one in zip(texts, speakers, strict=True)]


def windows(turns: Sequence[Sequence[int]], *, dialogue: int = 0, size: int = 384, context: int = 160) -> list[Window]:
    """Cut a dialogue into windows; each but the first opens with what came before, so that no utterance lacks context.

    Args:
        turns: Token numbers of each utterance.
        dialogue: Number of the dialogue, for the windows.
        size: Most tokens of a window; a longer utterance has a window of its own.
        context: Most tokens of earlier utterances at its start.

    Returns:
        The windows in order; each utterance is scored in one of them.

    Example:
        >>> [(one.first, one.scored, one.tokens) for one in windows([[5, 2], [6, 2], [7, 2]], size=5, context=2)]
        [(0, 0, (0, 5, 2, 6, 2)), (1, 1, (0, 6, 2, 7, 2))]
    """
    found: list[Window] = []
    scored = 0
    while scored < len(turns):
        first = _context_start(turns, scored, context)
        last, total = scored, 1 + sum(map(len, turns[first:scored]))
        while last < len(turns) and (last == scored or total + len(turns[last]) <= size):
            total += len(turns[last])
            last += 1
        found.append(_window(turns[first:last], dialogue, first, scored - first))
        scored = last
    return found


def closing(turns: Sequence[Sequence[int]], *, context: int) -> Window:
    """The window that scores the last of some utterances.

    Args:
        turns: Token numbers of each utterance, one or more.
        context: Most tokens of earlier utterances at its start.

    Returns:
        The window, of dialogue 0.

    Example:
        >>> closing([[5, 2], [6, 2], [7, 2]], context=2).tokens
        (0, 6, 2, 7, 2)
    """
    last = len(turns) - 1
    first = _context_start(turns, last, context)
    return _window(turns[first:], 0, first, last - first)


def _context_start(turns: Sequence[Sequence[int]], scored: int, context: int) -> int:
    """The first utterance whose tokens, with those that follow up to ``scored``, fit into the context."""
    first, before = scored, 0
    while first > 0 and before + len(turns[first - 1]) <= context:
        first -= 1
        before += len(turns[first])
    return first


def _window(turns: Sequence[Sequence[int]], dialogue: int, first: int, scored: int) -> Window:
    tokens = [0, *(token for row in turns for token in row)]
    owners = [START, *(number for number, row in enumerate(turns) for _ in row)]
    return Window(dialogue, first, scored, tuple(tokens), tuple(owners))
