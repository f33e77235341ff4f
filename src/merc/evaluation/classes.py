"""The class that a protocol scores, from what a corpus gives: one function a label set.

Each returns None where the utterance does not count and stays context.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from merc.conversation import Utterance
from merc.corpora.iemocap import variant
from merc.errors import ProtocolError

_SENTIMENT: Mapping[str, str] = MappingProxyType(
    {"0": "negative", "1": "positive", "negative": "negative", "positive": "positive"}
)


def plain(utterance: Utterance) -> str | None:
    """The annotated label itself."""
    return utterance.label


def iemocap4(utterance: Utterance) -> str | None:
    """Angry, happy, neutral or sad, with excited counted as happy: the 5,531 turns of the field's four-class task."""
    return variant("iemocap4-5531").label(utterance)


def iemocap6(utterance: Utterance) -> str | None:
    """One of the six classes of the published set of 7,433 turns, from the table beside the release.

    Raises InputError where that table was absent when the corpus was read.
    """
    return variant("iemocap6-7433").label(utterance)


def iemocap6_majority(utterance: Utterance) -> str | None:
    """One of six classes by the majority of the raters alone: 7,380 turns, from the release itself."""
    return variant("iemocap6-7380").label(utterance)


def sentiment(utterance: Utterance) -> str | None:
    """Negative or positive, also where it is written 0 or 1."""
    if utterance.label is None:
        return None
    if utterance.label not in _SENTIMENT:
        raise ProtocolError(
            f"utterance '{utterance.id}': label '{utterance.label}'; expected negative, positive, 0 or 1"
        )
    return _SENTIMENT[utterance.label]
