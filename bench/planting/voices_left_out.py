"""Voices of acted corpora, each judged by a head that was fitted on the other corpora, by the recipe of what ships."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from merc.heads.voice import VoiceHead
from merc.recipes.voice_head import TRAINED_ON, gather, in_conversation, prior_of
from merc.recipes.voice_training import VoiceOptions, fit_voice


@dataclass(frozen=True)
class LeftOut:
    """One corpus: its head, undisturbed vectors ``(m, d)``, classes and people ``(m,)``, and the head's prior ``(7,)``.

    The prior is what heads believed of the *other* corpora, so that it knows nothing of this one.
    """

    head: VoiceHead
    vectors: np.ndarray
    classes: np.ndarray
    people: np.ndarray
    prior: np.ndarray

    def judged(self, clips: np.ndarray, people: Sequence[str]) -> np.ndarray:
        """Probabilities ``(n, 7)`` of the clips of one conversation, each of its person."""
        return self.head.probabilities(self.vectors[clips], list(people))


def left_out(data: Path) -> dict[str, LeftOut]:
    """The corpora that the shipped head is trained on, below the folder of all corpora."""
    options = VoiceOptions()
    voices = gather(TRAINED_ON, data, options).voices
    parts = {name: voices.at(np.flatnonzero(voices.corpora == name)) for name in TRAINED_ON}
    heads = {name: fit_voice(voices.at(np.flatnonzero(voices.corpora != name)), options) for name in TRAINED_ON}
    believed = {name: in_conversation(heads[name], part) for name, part in parts.items()}
    return {
        name: LeftOut(
            heads[name],
            part.copies[0],
            part.classes,
            part.people,
            prior_of({other: one for other, one in believed.items() if other != name}),
        )
        for name, part in parts.items()
    }
