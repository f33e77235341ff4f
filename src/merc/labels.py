"""Label sets by name, and the maps between them.

Public interfaces use names of labels. Corpora order their classes differently, so class indices have a meaning only
within a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EKMAN7 = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""The seven classes of MELD: Ekman's six basic emotions and neutral, in alphabetical order."""

IEMOCAP10 = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur")
"""The ten labels of IEMOCAP by their short names; turns without a majority vote (xxx) have no label."""

IEMOCAP4 = ("angry", "happy", "neutral", "sad")
IEMOCAP6 = ("angry", "excited", "frustrated", "happy", "neutral", "sad")

EMORYNLP7 = ("Joyful", "Mad", "Neutral", "Peaceful", "Powerful", "Sad", "Scared")
"""The seven classes of EmoryNLP: Willcox's feeling wheel and neutral."""

SENTIMENT2 = ("negative", "positive")
"""The two classes of the binary form of CMU-MOSI."""

LABEL_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ekman7": EKMAN7,
        "iemocap4": IEMOCAP4,
        "iemocap6": IEMOCAP6,
        "iemocap10": IEMOCAP10,
        "emorynlp7": EMORYNLP7,
        "sentiment2": SENTIMENT2,
    }
)

IEMOCAP10_TO_IEMOCAP6: Mapping[str, str | None] = MappingProxyType(
    {
        "ang": "angry",
        "dis": None,
        "exc": "excited",
        "fea": None,
        "fru": "frustrated",
        "hap": "happy",
        "neu": "neutral",
        "oth": None,
        "sad": "sad",
        "sur": None,
    }
)
"""The six classes keep their own labels; the four rare ones are dropped."""

IEMOCAP10_TO_IEMOCAP4: Mapping[str, str | None] = MappingProxyType(
    {
        "ang": "angry",
        "dis": None,
        "exc": "happy",
        "fea": None,
        "fru": None,
        "hap": "happy",
        "neu": "neutral",
        "oth": None,
        "sad": "sad",
        "sur": None,
    }
)
"""The most frequent form of four classes: happy and excited are one, frustration and the rare ones are dropped."""

IEMOCAP10_TO_EKMAN7: Mapping[str, str | None] = MappingProxyType(
    {
        "ang": "anger",
        "dis": "disgust",
        "exc": "joy",
        "fea": "fear",
        "fru": None,
        "hap": "joy",
        "neu": "neutral",
        "oth": None,
        "sad": "sadness",
        "sur": "surprise",
    }
)
"""Excitement counts as joy; frustration lies between anger and sadness and is dropped, as is "other"."""

IEMOCAP6_TO_IEMOCAP4: Mapping[str, str | None] = MappingProxyType(
    {
        "angry": "angry",
        "excited": "happy",
        "frustrated": None,
        "happy": "happy",
        "neutral": "neutral",
        "sad": "sad",
    }
)
"""Happy and excited are one class, frustration is dropped."""

EMORYNLP7_TO_EKMAN7: Mapping[str, str | None] = MappingProxyType(
    {
        "Joyful": "joy",
        "Mad": "anger",
        "Neutral": "neutral",
        "Peaceful": None,
        "Powerful": None,
        "Sad": "sadness",
        "Scared": "fear",
    }
)
"""Peaceful and powerful are pleasant without being joy, and are dropped; no label stands for disgust or surprise."""

MAPS: Mapping[tuple[str, str], Mapping[str, str | None]] = MappingProxyType(
    {
        ("iemocap10", "iemocap6"): IEMOCAP10_TO_IEMOCAP6,
        ("iemocap10", "iemocap4"): IEMOCAP10_TO_IEMOCAP4,
        ("iemocap10", "ekman7"): IEMOCAP10_TO_EKMAN7,
        ("iemocap6", "iemocap4"): IEMOCAP6_TO_IEMOCAP4,
        ("emorynlp7", "ekman7"): EMORYNLP7_TO_EKMAN7,
    }
)
"""Every map between two named label sets; None where a label has no counterpart and its utterances are dropped."""
