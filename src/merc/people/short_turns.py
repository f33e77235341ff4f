"""Who said a short utterance: where its sound is too short to distinguish voices, the visible face decides.

A second of speech holds little of a voice, so the nearest voice is a guess. In conversation that was filmed the camera
mostly shows who speaks. So people are linked to voices by the utterances whose voice is certain, and an uncertain
utterance goes to the voice whose person alone is in the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.conversation import Segment
from merc.people.faces import FaceObservations
from merc.people.link import link

CERTAIN = 0.15
"""Least margin (cosine) of the utterance's voice over the next one at which the sound alone decides."""
LONG = 1.2
"""Seconds from which an utterance's sound decides whatever its margin: that is enough speech to distinguish voices."""
PRESENT = 0.5
"""Minimum share of an utterance's frames in which the person must be seen."""


@dataclass(frozen=True, slots=True)
class VoicedTurn:
    """An utterance with the number of its voice and the margin (cosine) of that voice over the next one."""

    segment: Segment
    speaker: int
    margin: float


def voice_margins(
    vectors: Sequence[np.ndarray | None], voices: Sequence[int | None], seconds: Sequence[float]
) -> np.ndarray:
    """By how much a short utterance is nearer to the rest of its own voice than to the next voice.

    Args:
        vectors: Voice vectors, one an utterance; None where there is none.
        voices: Number of each utterance's voice; None: unknown.
        seconds: Duration of each utterance. The mean of a voice is weighted by it and leaves out the utterance itself.

    Returns:
        ``(n,)`` cosines: 0 without a vector, 1 for a long utterance and where there is no voice to compare with.
    """
    rows = [i for i, vector in enumerate(vectors) if vector is not None and voices[i] is not None]
    result = np.where([v is None for v in vectors], 0.0, 1.0)
    if not rows:
        return result
    matrix = np.stack([vectors[i] / np.linalg.norm(vectors[i]) for i in rows])  # type: ignore[operator,arg-type]
    numbers = np.array([voices[i] for i in rows])
    weighted = matrix * np.array([seconds[i] for i in rows])[:, None]
    names = np.unique(numbers)
    sums = np.stack([weighted[numbers == name].sum(axis=0) for name in names])
    for row, i in enumerate(rows):
        if seconds[i] < LONG and len(names) > 1:
            own = int(np.searchsorted(names, numbers[row]))
            rest = sums.copy()
            rest[own] -= weighted[row]
            result[i] = _margin(matrix[row], rest, own)
    return result


def _margin(vector: np.ndarray, voices: np.ndarray, own: int) -> float:
    """The cosine of a vector to its own voice less the largest to another one; 1 where nothing else is its voice."""
    lengths = np.linalg.norm(voices, axis=1)
    if lengths[own] < 1e-6:
        return 1.0
    cosines = voices @ vector / np.maximum(lengths, 1e-9)
    return float(cosines[own] - np.delete(cosines, own).max())


def reassigned(faces: FaceObservations, turns: Sequence[VoicedTurn]) -> list[int]:
    """The voice of each turn: its own where that is certain, else that of the only linked person in the picture."""
    links = link(faces, [turn for turn in turns if turn.margin >= CERTAIN])
    people = {v: p for v in sorted({turn.speaker for turn in turns}) if (p := links.person(v)) is not None}
    return [turn.speaker if turn.margin >= CERTAIN else _shown_alone(faces, turn, people) for turn in turns]


def _shown_alone(faces: FaceObservations, turn: VoicedTurn, people: Mapping[int, int]) -> int:
    """The voice whose person is the only linked one in the picture during a turn; else the turn's own."""
    shares = _visible(faces, turn.segment)
    present = [voice for voice, person in people.items() if shares.get(person, 0.0) > 0]
    alone = len(present) == 1 and shares[people[present[0]]] >= PRESENT
    return present[0] if alone else turn.speaker


def _visible(faces: FaceObservations, segment: Segment) -> dict[int, float]:
    """The share of the frames within a segment in which each person is seen."""
    frames = (faces.frame_times >= segment.start) & (faces.frame_times < segment.end)
    rows = (faces.times >= segment.start) & (faces.times < segment.end)
    return {
        int(person): len(np.unique(faces.times[rows & (faces.people == person)])) / max(1, int(frames.sum()))
        for person in np.unique(faces.people[rows])
    }
