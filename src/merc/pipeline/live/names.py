"""Names of stored voices for the speakers of a stream, as soon as enough of them is heard."""

from __future__ import annotations

import numpy as np

from merc.people import known_voices
from merc.people.known_voices import LEAST_SPOKEN, Match, joined, matched
from merc.pipeline.evidence import SPEAKER_ENCODER
from merc.pipeline.options import Job
from merc.pipeline.speakers import check_weights


class Names:
    """Speakers by number, each with the mean vector of what was heard of it.

    Args:
        job: ``job.options.voices`` is the file of stored voices; without one, speakers have numbers.

    Raises:
        InputError: A voice was stored with other weights.
        FormatError: The file does not hold voices.
    """

    def __init__(self, job: Job) -> None:
        file = job.options.voices
        self._voices = known_voices.load(file) if file else []
        if self._voices:
            check_weights(self._voices, job.models.encoder(SPEAKER_ENCODER, device=job.device).describe()["sha256"])
        self._heard: dict[int, tuple[np.ndarray, float]] = {}  # of each speaker: sum of vectors by seconds, seconds
        self.found: dict[int, Match] = {}
        """The stored voices of the speakers that have one."""

    def __bool__(self) -> bool:
        return bool(self._voices)

    def add(self, speaker: int, vector: np.ndarray, seconds: float) -> None:
        """An utterance of a speaker: its vector ``(192,)`` and its seconds, which are negative to take it back."""
        total, heard = self._heard.get(speaker, (np.zeros(len(vector)), 0.0))
        unit = vector / max(float(np.linalg.norm(vector)), 1e-9)
        self._heard[speaker] = total + seconds * unit, heard + seconds

    def update(self) -> None:
        """Compare the speakers of whom enough was heard with the stored voices."""
        long = {who: total for who, (total, seconds) in self._heard.items() if seconds >= LEAST_SPOKEN}
        vectors = [joined(total[None], np.ones(1)) for total in long.values()]
        pairs = zip(long, matched(vectors, self._voices), strict=True)
        self.found = {who: match for who, match in pairs if match}

    def name(self, speaker: int) -> str:
        """What a speaker is called."""
        found = self.found.get(speaker)
        return found.name if found else numbered(speaker)

    def renamed(self) -> dict[str, str]:
        """The names of stored voices by those that their speakers have without."""
        return {numbered(speaker): match.name for speaker, match in self.found.items()}

    def notes(self) -> tuple[str, ...]:
        """What a timeline says of the names."""
        return tuple(known_voices.note(numbered(speaker), match) for speaker, match in sorted(self.found.items()))


def numbered(speaker: int) -> str:
    """The name of a speaker of whom nothing more is known, by the number from 0.

    >>> numbered(0)
    'Speaker 1'
    """
    return f"Speaker {speaker + 1}"
