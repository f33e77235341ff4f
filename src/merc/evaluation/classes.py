"""The class of an utterance under a label set, one function a label set; None where it does not count.

An utterance that does not count stays context.
"""

from __future__ import annotations

import math

from merc.conversation import Utterance
from merc.corpora import CORPORA
from merc.corpora.iemocap import variant
from merc.errors import ProtocolError


def plain(utterance: Utterance) -> str | None:
    """The annotated label itself."""
    return utterance.label


def ekman7(utterance: Utterance) -> str | None:
    """One of the seven classes, by the map of the item's corpus; None for several classes, none, or a defect.

    Raises:
        ProtocolError: The utterance is not one that ``merc.corpora.items`` made.
    """
    if "item" not in utterance.meta:
        raise ProtocolError(
            f"utterance '{utterance.id}' is no item of a corpus: read the corpus with merc.corpora.conversations_of"
        )
    return CORPORA[utterance.meta["corpus"]].ekman7(utterance.meta["item"])


def iemocap4(utterance: Utterance) -> str | None:
    """Angry, happy, neutral or sad, with excited counted as happy: the 5,531 turns of the field's four-class task."""
    return variant("iemocap4-5531").label(utterance)


def iemocap4_excited(utterance: Utterance) -> str | None:
    """Angry, excited, neutral or sad, without the happy turns: 4,936 of them."""
    label = variant("iemocap4-4936").label(utterance)
    return "excited" if label == "happy" else label  # the variant counts excited as happy


def iemocap6(utterance: Utterance) -> str | None:
    """One of the six classes of the published set of 7,433 turns, from the table beside the release.

    Raises:
        InputError: That table was absent when the corpus was read.
    """
    return variant("iemocap6-7433").label(utterance)


def iemocap6_majority(utterance: Utterance) -> str | None:
    """One of six classes by the majority of the raters alone: 7,380 turns, from the release itself."""
    return variant("iemocap6-7380").label(utterance)


SENTIMENT7 = ("-3", "-2", "-1", "0", "1", "2", "3")
"""Seven classes of a sentiment from -3 to 3."""


def sentiment7(utterance: Utterance) -> str | None:
    """One of the seven classes: the sentiment rounded away from 0, as the corpus' SDK does; None without a score.

    Example:
        >>> [sentiment7(Utterance("u", scores={"sentiment": one})) for one in (-2.0, -1.7, 0, 0.3, 2.7)]
        ['-2', '-2', '0', '1', '3']
    """
    value = utterance.scores.get("sentiment")
    return None if value is None else str(math.ceil(value) if value > 0 else math.floor(value))
