"""Who said a short utterance: where its sound is too short to tell voices apart, the face that is seen decides.

A second of speech holds little of a voice: the nearest voice is then a guess. What is seen is another witness, and in
conversation that was filmed a good one: the camera mostly shows who speaks. So people are linked to voices by the
utterances whose voice is sure, and an unsure utterance goes to the voice whose person alone is in the picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from merc.conversation import Segment
from merc.people.faces import FaceObservations
from merc.people.link import link

SURE = 0.15
"""Least lead (cosine) of the own voice over the next one at which the sound alone decides."""
LONG = 1.2
"""Seconds from which an utterance's sound decides whatever its lead: that is enough speech to have been told apart."""
PRESENT = 0.5
"""Least part of an utterance's frames in which the person must be seen."""


@dataclass(frozen=True, slots=True)
class Said:
    """An utterance as far as it matters here: when, by which voice, and by how much that voice led (cosine)."""

    segment: Segment
    speaker: int
    lead: float


def leads(vectors: Sequence[np.ndarray | None], voices: Sequence[int | None], seconds: Sequence[float]) -> np.ndarray:
    """By how much a short utterance is nearer to the rest of its own voice than to the next voice: (n,) cosines.

    ``vectors`` are voice vectors or None where there is none; a voice's mean is weighted by seconds and leaves out the
    utterance itself. Without a vector the lead is 0; it is 1 for a long utterance, and with no voice to compare to.
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
        own = int(np.searchsorted(names, numbers[row]))
        rest = sums.copy()
        rest[own] -= weighted[row]
        lengths = np.linalg.norm(rest, axis=1)
        if seconds[i] >= LONG or len(names) < 2 or lengths[own] < 1e-6:
            continue
        cosines = rest @ matrix[row] / np.maximum(lengths, 1e-9)
        result[i] = cosines[own] - np.delete(cosines, own).max()
    return result


def settle(seen: FaceObservations, said: Sequence[Said]) -> list[int]:
    """The voice of each utterance: its own where that is sure, else that of the only linked person in the picture."""
    links = link(seen, [item for item in said if item.lead >= SURE])
    people = {v: p for v in sorted({item.speaker for item in said}) if (p := links.person(v)) is not None}
    voices = []
    for item in said:
        shown = {} if item.lead >= SURE else _shown(seen, item.segment)
        here = [voice for voice, person in people.items() if shown.get(person, 0.0) > 0]
        alone = len(here) == 1 and shown[people[here[0]]] >= PRESENT
        voices.append(here[0] if alone else item.speaker)
    return voices


def _shown(seen: FaceObservations, segment: Segment) -> dict[int, float]:
    """In what part of the frames within a segment each person is seen."""
    frames = (seen.frame_times >= segment.start) & (seen.frame_times < segment.end)
    rows = (seen.times >= segment.start) & (seen.times < segment.end)
    return {
        int(person): len(np.unique(seen.times[rows & (seen.people == person)])) / max(1, int(frames.sum()))
        for person in np.unique(seen.people[rows])
    }
