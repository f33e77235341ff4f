"""The predicted label inside running text: ``Anna: I can't believe it! [joy .71]``.

Every utterance that merc writes as a subtitle ends in a tag, so that reading one back takes away exactly what writing
added: ``[joy .71]`` is a predicted label and its confidence, ``[? joy .38]`` an abstention with the label that would
have been most probable, ``[? .00]`` an utterance for which no modality had evidence.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from merc.conversation import Prediction

UNKNOWN = "?"
"""The name that stands for an unknown speaker in formats that need one."""

_TAG = re.compile(r"\[(\? ?)?([^\[\]]*?) ?(\.\d\d|1\.00)\]")
_COLON = "\ua789"


def tag(prediction: Prediction) -> str:
    """Write a prediction as ``[label .dd]``, with a question mark in front where it abstains."""
    held = prediction.abstained or prediction.label is None
    name = prediction.top if held else prediction.label
    share = f"{prediction.confidence:.2f}".removeprefix("0")
    return f"[{' '.join(filter(None, ('?' if held else '', name or '', share)))}]"


def untag(text: str) -> tuple[str, dict[str, Any]]:
    """Take the tag from the end of a text: the text before it, and ``predicted`` (None: abstained) and ``confidence``.

    A text without a tag comes back as it is, with an empty dictionary.
    """
    if not (match := _match(text)):
        return text, {}
    held, name, share = match.groups()
    predicted = None if held or not name else name
    return text[: match.start()].rstrip(), {"predicted": predicted, "confidence": float(share)}


def tagged(texts: Sequence[str]) -> bool:
    """Whether at least half of the texts end in a tag, that is, whether merc wrote them."""
    return 2 * sum(_match(text) is not None for text in texts) >= len(texts)


def _match(text: str) -> re.Match[str] | None:
    written = text.rstrip()
    return _TAG.fullmatch(written, written.rfind("[")) if "[" in written else None


def lines(text: str | None) -> str:
    """Fit a text into a subtitle: each line without outer spaces, no blank lines, line ends as ``\\n``."""
    written = (text or "").replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(filter(None, (line.strip() for line in written)))


def prefixed(speaker: str | None, text: str) -> str:
    """Put the speaker before a text as ``Name: text``; a colon in the name becomes U+A789, so that one ends it."""
    name = " ".join((speaker or UNKNOWN).split()).replace(":", _COLON) or UNKNOWN
    return f"{name}: {text}"


def unprefixed(text: str) -> tuple[str | None, str]:
    """Undo ``prefixed``: the speaker, None where unknown, and the text."""
    head, mark, rest = text.partition(":")
    if not mark or "\n" in head or (rest and not rest[0].isspace()):
        return None, text
    name = head.strip().replace(_COLON, ":")
    return (None if name in ("", UNKNOWN) else name), rest.strip()
