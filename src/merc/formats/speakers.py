"""Speakers inside the text of a transcript: ``NAME: text``, ``[Name] text``, lines that start with a dash or ``>>``.

Not every prefix with a colon is a name ("Note: it rained"), so the decision depends on the whole file. A prefix is a
name if it is in capitals, or capitalised and recurring; in a file in which at least half of the texts have a prefix,
it is also a name if it is capitalised, a single word or recurring.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_COLON = re.compile(r"(?P<name>[^\s:：\[(][^:：\n\[\]?!;\"]{0,39})[:：](?:\s+|$)")
_WIDE = re.compile(r"(?P<name>[^\s:：\[(][^:：\n\[\]?!;\"]{0,39})：")
_MANNER = re.compile(r"\s*\([^()]*\)$")  # "ANN (on the phone)"
_BRACKET = re.compile(r"[\[(](?P<name>[^\[\]()\n]{1,40})[\])]:?\s+(?=\S)")
_TURN = re.compile(
    r"^[ \t]*(?:[-–—‐](?!\d)[-–—‐]?|[>＞]{1,3}|»)[ \t]*(?=\S)|(?<=\s)[>＞]{2,3}[ \t]*(?=\S)", re.MULTILINE
)
_CHEVRON = re.compile(r"[ \t]*[>＞»]")
_SOUNDS = frozenset(
    (
        "applause",
        "cheering",
        "crying",
        "laughing",
        "laughs",
        "laughter",
        "music",
        "noise",
        "sighs",
        "silence",
        "singing",
    )
)


def split_speakers(texts: Sequence[str]) -> list[tuple[str | None, str]]:
    """Split each text of a file into speaker and text.

    Args:
        texts: All texts of the file, in order.

    Returns:
        Pairs of speaker, or None if there is no name, and text.

    Example:
        >>> split_speakers(["ANN: Hello.", "BEN: Hi.", "And you?"])
        [('ANN', 'Hello.'), ('BEN', 'Hi.'), (None, 'And you?')]
        >>> split_speakers(["Hello.", "Note: it rained", "Hi."])
        [(None, 'Hello.'), (None, 'Note: it rained'), (None, 'Hi.')]
    """
    matches = [_candidate(text) for text in texts]
    counts = Counter(_name(match) for match in matches if match)
    usual = 2 * sum(counts.values()) >= len(texts)
    split: list[tuple[str | None, str]] = []
    for text, match in zip(texts, matches, strict=True):
        name = _name(match) if match else ""
        if match and _is_speaker(name, recurs=counts[name] > 1, usual=usual):
            split.append((name, text[match.end() :].strip()))
        else:
            split.append((None, text))
    return split


def _name(match: re.Match[str]) -> str:
    return _MANNER.sub("", match["name"].strip())


def _is_speaker(name: str, *, recurs: bool, usual: bool) -> bool:
    """Whether a prefix is a speaker; ``usual``: at least half of the texts have a prefix."""
    if name.isupper() or (recurs and _capitalised(name)):
        return True
    return usual and (recurs or " " not in name or _capitalised(name))


def split_turns(text: str) -> list[str]:
    """Split a subtitle in which each turn starts with a dash or with chevrons, which are removed.

    Dashes count where the text starts with one; what precedes the first ``>>`` is a turn as well.

    Example:
        >>> split_turns("- Hello.\\n- Hi.")
        ['Hello.', 'Hi.']
        >>> split_turns("and so on. >> Really? >> ANN: Yes.")
        ['and so on.', 'Really?', 'ANN: Yes.']
    """
    marks = list(_TURN.finditer(text))
    if marks and text[: marks[0].start()].strip():
        marks = [mark for mark in marks if _CHEVRON.match(mark[0])]
    if not marks:
        return [text]
    before = text[: marks[0].start()].strip()
    ends = [*(mark.start() for mark in marks[1:]), len(text)]
    pieces = [text[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    return [before, *pieces] if before else pieces


def opens_turn(text: str) -> bool:
    """Whether a text starts with chevrons, by which captions mark another speaker."""
    return _CHEVRON.match(text) is not None


def _candidate(text: str) -> re.Match[str] | None:
    match = _COLON.match(text) or _WIDE.match(text) or _BRACKET.match(text)
    if not match or len(words := match["name"].split()) > 4 or not any(map(str.isalpha, match["name"])):
        return None
    return None if any(word.lower() in _SOUNDS for word in words) else match


def _capitalised(name: str) -> bool:
    return not any(word[0].islower() for word in name.split())
