"""Motion capture as a picture of time by marker: 200 time bins of an utterance.

Paper: Tripathi, Tripathi and Beigi 2018, "Multi-Modal Emotion recognition on IEMOCAP Dataset using Deep Learning",
arXiv 1804.05788. Only IEMOCAP has such recordings (``merc.corpora.iemocap_motion``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from merc.conversation import Conversation
from merc.corpora.iemocap_motion import BINS, STREAMS, WIDTH, Recording
from merc.features.encoder import Encoder
from merc.progress import Progress


class MotionEncoder(Encoder):
    """Markers of face, hands and head in 200 time bins; arguments as for `Encoder`."""

    name = "mocap"
    modality = "motion"
    input = "motion"
    shape = (WIDTH,)
    sequence = True
    half = True
    summary = f"IEMOCAP's markers of face, hands and head, means over {BINS} time bins; hidden markers are 0."

    @property
    def licence(self) -> str:
        """There are no weights."""
        return "no weights"

    def describe(self) -> dict[str, Any]:
        """Name, streams and bins: there are no weights."""
        return {"encoder": self.name, "shape": [WIDTH], "bins": BINS, "streams": dict(STREAMS)}

    def encode(self, batch: Sequence[Conversation], *, progress: Progress | None = None) -> list[np.ndarray]:
        """Cut the turns of dialogues: one ``(200, 189)`` float32 each in reading order, without rows where none moved.

        Raises:
            FormatError: A file is not motion capture.
            InputError: A file cannot be read.
        """
        found = []
        for number, conversation in enumerate(batch):
            recording = Recording(conversation.meta.get("motion") or {})
            for turn in conversation:
                picture = recording.picture(turn.segment) if turn.segment else None
                found.append(np.empty((0, WIDTH), np.float32) if picture is None else picture)
            if progress:
                progress("motion", number + 1, len(batch))
        return found
