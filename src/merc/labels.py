"""Label sets by name, and the name that they share for a label. Maps to other classes stand with the corpora.

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
IEMOCAP4_EXCITED = ("angry", "excited", "neutral", "sad")
IEMOCAP6 = ("angry", "excited", "frustrated", "happy", "neutral", "sad")

EMORYNLP7 = ("Joyful", "Mad", "Neutral", "Peaceful", "Powerful", "Sad", "Scared")
"""The seven classes of EmoryNLP: Willcox's feeling wheel and neutral."""

DAILYDIALOG7 = ("anger", "disgust", "fear", "happiness", "no emotion", "sadness", "surprise")
"""The seven classes of DailyDialog."""

M3ED7 = ("Anger", "Disgust", "Fear", "Happy", "Neutral", "Sad", "Surprise")
"""The seven classes of M3ED: those of MELD by other names."""

SENTIMENT2 = ("negative", "positive")
"""The two classes of the binary form of CMU-MOSI."""

LABEL_SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ekman7": EKMAN7,
        "iemocap4": IEMOCAP4,
        "iemocap4-excited": IEMOCAP4_EXCITED,
        "iemocap6": IEMOCAP6,
        "iemocap10": IEMOCAP10,
        "emorynlp7": EMORYNLP7,
        "dailydialog7": DAILYDIALOG7,
        "m3ed7": M3ED7,
        "sentiment2": SENTIMENT2,
    }
)

_OTHER_NAMES: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("ang", "angry", "mad"), "anger"),
        **dict.fromkeys(("dis", "disgusted"), "disgust"),
        **dict.fromkeys(("exc", "excitement"), "excited"),
        **dict.fromkeys(("fea", "fearful", "scared"), "fear"),
        **dict.fromkeys(("fru", "frustration"), "frustrated"),
        **dict.fromkeys(("hap", "happiness", "happy", "joyful"), "joy"),
        **dict.fromkeys(("neu", "neutral state", "no emotion"), "neutral"),
        "oth": "other",
        "sad": "sadness",
        **dict.fromkeys(("sur", "surprised"), "surprise"),
    }
)


def common_name(label: str) -> str:
    """The name that label sets share for a label: that of the seven classes where it is one of them.

    This is about names alone; which class of another set a label counts as is the map of its corpus.

    Args:
        label: A label of any set, in any case.

    Returns:
        The common name, or the label itself in lower case where it has no other.

    Example:
        >>> [common_name(name) for name in ("hap", "Mad", "excited", "Peaceful")]
        ['joy', 'anger', 'excited', 'peaceful']
    """
    name = label.lower()
    return _OTHER_NAMES.get(name, name)
