"""Events of a live analysis, and how they are written as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from merc.conversation import Prediction, Recording, Timeline, Utterance
from merc.formats.native import document
from merc.labels import EKMAN7

PARTIAL, FINAL, REVISION = "partial", "final", "revision"
_NOWHERE = Recording("stream", "0" * 64, 0.0, has_audio=True, has_video=False)
_UNDECIDED = Prediction(None, None, 0.0, abstained=True, reason="the utterance has not ended")


@dataclass(frozen=True, slots=True)
class Event:
    """What is new about one utterance.

    Args:
        number: Of the event, from 1 without gaps.
        kind: "partial" (its words so far), "final" (it has ended and is judged) or "revision" (another speaker was
            found for it, and its label follows).
        utterance: The utterance; a partial one has the id that it will have if it stays.
        prediction: None for a partial utterance.
        heard: Seconds of the stream that had been heard.
    """

    number: int
    kind: str
    utterance: Utterance
    prediction: Prediction | None
    heard: float

    def record(self) -> dict[str, Any]:
        """The event as JSON can hold it: ``id``, ``event``, ``heard``, and the utterance as in ``timeline.json``."""
        found = self.prediction or _UNDECIDED
        labels = tuple(found.probabilities or ()) or EKMAN7
        one = Timeline(_NOWHERE, (self.utterance,), (found,), labels=labels)
        (entry,) = document(one)["utterances"]
        if self.prediction is None:
            entry = {name: entry[name] for name in ("id", "speaker", "start", "end", "text", "words")}
        return {"id": self.number, "event": self.kind, "heard": round(self.heard, 3), "utterance": entry}
