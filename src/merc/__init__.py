"""merc recognises the emotion of each utterance in a recorded conversation, with a calibrated confidence.

>>> import merc
>>> merc.__version__
'0.1.0'
>>> sorted(merc.__all__)[:4]
['AnalyzeOptions', 'Conversation', 'Evidence', 'MercError']
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from merc.conversation import Conversation, Evidence, Prediction, Segment, Timeline, Utterance
from merc.errors import MercError

if TYPE_CHECKING:
    from merc.formats import read, write
    from merc.pipeline.options import AnalyzeOptions
    from merc.pipeline.recognizer import Recognizer, analyze

__version__ = "0.1.0"
__all__ = [
    "AnalyzeOptions",
    "Conversation",
    "Evidence",
    "MercError",
    "Prediction",
    "Recognizer",
    "Segment",
    "Timeline",
    "Utterance",
    "__version__",
    "analyze",
    "read",
    "write",
]

_LAZY = {
    "AnalyzeOptions": "merc.pipeline.options",
    "Recognizer": "merc.pipeline.recognizer",
    "analyze": "merc.pipeline.recognizer",
    "read": "merc.formats",
    "write": "merc.formats",
}


def __getattr__(name: str) -> Any:
    """Import heavier modules on first access, so that ``import merc`` stays fast."""
    if name not in _LAZY:
        raise AttributeError(f"module 'merc' has no attribute '{name}'")
    return getattr(importlib.import_module(_LAZY[name]), name)
