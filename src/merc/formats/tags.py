"""Predicted labels as tags in text: ``Anna: I can't believe it! [joy .71]``.

Every utterance that merc writes as a subtitle ends with a tag, so that reading removes exactly what writing added:
``[joy .71]`` is a predicted label with its confidence, ``[? joy .38]`` an abstention with the most probable label,
``[? .00]`` an utterance without evidence; ``[joy corrected]`` is the label of a person, ``[? corrected]`` a label that
a person rejected.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from merc.conversation import Prediction
from merc.formats.transcript import NOTHING

UNKNOWN = "?"
"""Name of an unknown speaker in formats that require a name."""

_TAG = re.compile(r"\[(\? ?)?([^\[\]]*?) ?(\.\d\d|1\.00|corrected)\]")
_CORRECTED = "corrected"
_COLON = "\ua789"


def tag(prediction: Prediction) -> str:
    """Format a prediction as a tag.

    Example:
        >>> tag(Prediction({"joy": 0.71}, "joy", 0.71, abstained=False))
        '[joy .71]'
        >>> tag(Prediction({"joy": 0.38}, None, 0.38, abstained=True, reason="low confidence"))
        '[? joy .38]'

    Returns:
        The tag; empty if the utterance was not analysed.
    """
    if prediction == NOTHING:
        return ""
    if prediction.correction:
        return f"[{prediction.label or '?'} {_CORRECTED}]"
    held = prediction.abstained or prediction.label is None
    name = prediction.top if held else prediction.label
    share = f"{prediction.confidence:.2f}".removeprefix("0")
    return f"[{' '.join(filter(None, ('?' if held else '', name or '', share)))}]"


def untag(text: str) -> tuple[str, dict[str, Any]]:
    """Split the tag off the end of a text.

    Returns:
        The text before the tag, and ``predicted`` (None for an abstention) and ``confidence``, or ``corrected`` (None
        for a rejection). Without a tag, the text is unchanged and the dictionary empty.

    Example:
        >>> untag("I can't believe it! [joy .71]")
        ("I can't believe it!", {'predicted': 'joy', 'confidence': 0.71})
    """
    if not (match := _match(text)):
        return text, {}
    held, name, share = match.groups()
    label = None if held or not name else name
    made = {"corrected": label} if share == _CORRECTED else {"predicted": label, "confidence": float(share)}
    return text[: match.start()].rstrip(), made


def tagged(texts: Sequence[str]) -> bool:
    """Whether at least half of the texts end with a tag, which means that merc wrote them."""
    return 2 * sum(_match(text) is not None for text in texts) >= len(texts)


def _match(text: str) -> re.Match[str] | None:
    written = text.rstrip()
    return _TAG.fullmatch(written, written.rfind("[")) if "[" in written else None


def lines(text: str | None) -> str:
    """Normalise a text for a subtitle: strip each line, drop blank lines, use ``\\n``."""
    written = (text or "").replace("\0", "\ufffd").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return "\n".join(filter(None, (line.strip() for line in written)))


def prefixed(speaker: str | None, text: str) -> str:
    """Format as ``Name: text``; a colon in the name becomes U+A789, so that the first colon ends the name."""
    name = " ".join((speaker or UNKNOWN).split()).replace(":", _COLON) or UNKNOWN
    return f"{name}: {text}"


def unprefixed(text: str) -> tuple[str | None, str]:
    """Inverse of ``prefixed``: the speaker, or None if unknown, and the text."""
    head, mark, rest = text.partition(":")
    if not mark or "\n" in head or (rest and not rest[0].isspace()):
        return None, text
    name = head.strip().replace(_COLON, ":")
    return (None if name in ("", UNKNOWN) else name), rest.strip()
