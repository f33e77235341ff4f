"""Punctuation: how often a text asks, exclaims and trails off, how long it is, and how much of it is in capitals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from merc.features.encoder import Encoder
from merc.progress import Progress

MERC_CONTRACT = 1

SIGNS = ("?", "!", "…", ",")


class PunctuationEncoder(Encoder):
    """Six numbers of a text; arguments as for `Encoder`."""

    name = "punctuation"
    modality = "text"
    input = "text"
    shape = (len(SIGNS) + 2,)
    summary = "Question and exclamation marks, ellipses, commas; length; share of capitals."

    def describe(self) -> dict[str, Any]:
        """What a row depends on: there are no weights, so the version says when the numbers change."""
        return {"encoder": self.name, "width": self.width, "version": 1}

    def encode(self, batch: Sequence[str], *, progress: Progress | None = None) -> np.ndarray:
        """Count signs: ``(n, 6)`` float32."""
        return np.array([_row(text.replace("...", "…")) for text in batch], np.float32).reshape(-1, self.width)


def _row(text: str) -> list[float]:
    letters = [one for one in text if one.isalpha()]
    capitals = sum(one.isupper() for one in letters) / max(len(letters), 1)
    return [*(float(text.count(sign)) for sign in SIGNS), len(text) / 40, capitals]
