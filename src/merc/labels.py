"""Label sets by name, and the explicit maps between them.

A label is a name in every public place; corpora order their classes differently, so an integer is never meaningful
outside one batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

EKMAN7 = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
"""The seven classes of MELD and of the source paper, in alphabetical order."""

IEMOCAP4 = ("angry", "happy", "neutral", "sad")
IEMOCAP6 = ("angry", "excited", "frustrated", "happy", "neutral", "sad")

LABEL_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"ekman7": EKMAN7, "iemocap4": IEMOCAP4, "iemocap6": IEMOCAP6}
)
