"""Stored voices: vectors of people who are to be named in recordings, in one file that only its owner can read.

A voice is one vector of 192 numbers by CAM++ of which the sound cannot be made again, but which tells this person among
others: it is biometric data. It is stored only by ``merc voices add`` and is gone with ``merc voices remove``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from merc.cache import replacing
from merc.errors import FormatError, InputError, OutputError

SCHEMA = "merc-voices/1"
DIMENSION = 192
THRESHOLD = 0.6
"""Minimum cosine at which a speaker has the name of a stored voice; fitted by ``bench/known_voices.py``, rounded up."""
LEAST_STORED = 3.0
"""Seconds of speech of which a stored voice is made, at least."""
LEAST_SPOKEN = 2.0
"""Seconds of speech from which a speaker of a recording is compared, at least."""
NOTE = "stored voice:"
"""How the notes of a timeline begin that say whose name a speaker has."""
_LONGEST_NAME = 100
_NUMBERED = re.compile(r"(?:speaker|p)\s*\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KnownVoice:
    """A stored voice.

    Args:
        name: The person's name.
        vector: 192 numbers of unit length.
        seconds: Seconds of speech that it was made of.
        added: Date on which it was stored, as ISO 8601.
        model: SHA-256 of the weights that made it.

    Raises:
        InputError: If the name is empty, too long, not printable or that of a number, or the vector is not one.
    """

    name: str
    vector: tuple[float, ...]
    seconds: float
    added: str
    model: str

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > _LONGEST_NAME or not self.name.isprintable():
            raise InputError(f"name of a voice is {self.name[:40]!r}: expected 1 to {_LONGEST_NAME} printable letters")
        if _NUMBERED.fullmatch(self.name):
            raise InputError(f"name of a voice is '{self.name}': merc gives such names to speakers it does not know")
        if len(self.vector) != DIMENSION or not np.isclose(np.linalg.norm(self.vector), 1, atol=1e-3):
            raise InputError(f"voice '{self.name}': expected a vector of {DIMENSION} numbers of unit length")


@dataclass(frozen=True, slots=True)
class Match:
    """The stored voice of a speaker, and the cosine of the two."""

    name: str
    cosine: float


def joined(vectors: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """The vector ``(192,)`` of unit length of a voice, from those ``(n, 192)`` of its utterances and their seconds."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    mean: np.ndarray = seconds @ unit
    return mean / max(float(np.linalg.norm(mean)), 1e-9)


def matched(speakers: Sequence[np.ndarray], voices: Sequence[KnownVoice]) -> list[Match | None]:
    """The stored voice of each speaker of a recording: at most one speaker has a name, those most alike in all.

    Args:
        speakers: A vector ``(192,)`` of unit length each.
        voices: Those stored.

    Returns:
        For each speaker a match of at least the threshold, or None.
    """
    from scipy.optimize import linear_sum_assignment

    found: list[Match | None] = [None] * len(speakers)
    if not len(speakers) or not len(voices):
        return found
    cosines = np.stack(speakers) @ np.array([voice.vector for voice in voices]).T  # (speakers, voices)
    passing = np.where(cosines >= THRESHOLD, cosines, 0.0)
    for speaker, voice in zip(*linear_sum_assignment(passing, maximize=True), strict=True):
        if passing[speaker, voice]:
            found[speaker] = Match(voices[voice].name, float(cosines[speaker, voice]))
    return found


def note(speaker: str, match: Match) -> str:
    """What a timeline says of a speaker who has the name of a stored voice."""
    return f"{NOTE} {speaker} has the name of {match.name} (cosine {match.cosine:.2f}, at least {THRESHOLD:g})"


def load(path: Path) -> list[KnownVoice]:
    """The voices of a file, by name; none where it does not exist.

    Raises:
        FormatError: If the file is not one of stored voices.
        InputError: If it cannot be read.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the stored voices in {path}: {error}; check who owns the file") from error
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise ValueError(content["schema"])
        return [KnownVoice(**{**row, "vector": tuple(map(float, row["vector"]))}) for row in content["voices"]]
    except (ValueError, TypeError, KeyError, InputError, RecursionError, OverflowError) as error:
        raise FormatError(
            f"{path} does not hold voices in the format {SCHEMA} ({str(error)[:80]}); delete it and add them again"
        ) from error


def store(voices: Sequence[KnownVoice], path: Path) -> None:
    """Write voices into a file of mode 0600, in a folder of mode 0700 if it is new; without any the file is removed.

    Raises:
        OutputError: If it cannot be written.
    """
    try:
        if not voices:
            path.unlink(missing_ok=True)
            return
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        path.chmod(0o600)
        content = {"schema": SCHEMA, "voices": [asdict(one) for one in sorted(voices, key=lambda one: one.name)]}
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; check who owns the folder") from error


def refuse_taken(voices: Sequence[KnownVoice], name: str) -> None:
    """Raise InputError if the name is that of a voice."""
    if any(voice.name == name for voice in voices):
        raise InputError(
            f"a voice of the name '{name}' is stored already: remove it first with 'merc voices remove', or give all "
            "recordings of the person at once"
        )


def removed(voices: Sequence[KnownVoice], name: str) -> list[KnownVoice]:
    """Voices without one.

    Raises:
        InputError: If there is none of the name.
    """
    left = [voice for voice in voices if voice.name != name]
    if len(left) == len(voices):
        stored = ", ".join(sorted(voice.name for voice in voices)) or "none"
        raise InputError(f"no voice of the name '{name}' is stored; stored are: {stored}")
    return left
