"""What was said, when and by whom, and what was predicted from it: the values that pass between all rooms.

Times are seconds from the start of the recording, ends are exclusive. What is unknown is ``None`` and, where it
matters, stands beside its reason; an absent value is never a zero.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merc.errors import InputError
from merc.labels import EKMAN7


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A stretch of time ``[start, end)`` in seconds; raises InputError unless ``0 <= start < end`` and both finite."""

    start: float
    end: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end) and 0 <= self.start < self.end):
            raise InputError(f"segment {self.start} to {self.end} s: expected 0 <= start < end, in seconds")

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return self.end - self.start

    @property
    def middle(self) -> float:
        """The instant half-way, in seconds."""
        return (self.start + self.end) / 2

    def overlap(self, other: Segment) -> float:
        """Seconds that this segment shares with another; 0.0 when they do not touch."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class Word:
    """One word as spoken, with its time and the recogniser's probability (None: taken from a transcript)."""

    text: str
    segment: Segment
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech by one speaker.

    ``label`` is an annotated label (never a predicted one), ``scores`` annotated dimensions such as valence,
    ``meta`` whatever else a corpus or format says of it.
    """

    id: str
    speaker: str | None = None
    text: str | None = None
    segment: Segment | None = None
    words: tuple[Word, ...] = ()
    label: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)
    meta: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversation:
    """The ordered utterances of one recording."""

    id: str
    utterances: tuple[Utterance, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one modality alone says of one utterance: a distribution, or ``None`` and the reason in ``missing``.

    ``detail`` holds the facts behind it in plain words and numbers, such as ``{"frames": 3}``.
    """

    modality: str
    probabilities: Mapping[str, float] | None = None
    missing: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.probabilities is None) == (self.missing is None):
            raise InputError(
                f"evidence '{self.modality}': give either probabilities or the reason why they are missing"
            )


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted label of one utterance.

    ``probabilities`` is None, with ``reason``, when no modality had evidence. ``label`` is None when the prediction
    abstains, and ``reason`` says why. ``confidence`` is the calibrated probability that the most probable label is
    the one that annotators would have chosen.
    """

    probabilities: Mapping[str, float] | None
    label: str | None
    confidence: float
    abstained: bool
    reason: str | None = None
    evidence: tuple[Evidence, ...] = ()

    @property
    def top(self) -> str | None:
        """The most probable label, also where the prediction abstains; ties go to the first by name."""
        if not self.probabilities:
            return None
        return min(self.probabilities, key=lambda name: (-self.probabilities[name], name))  # type: ignore[index]


@dataclass(frozen=True, slots=True)
class Recording:
    """The file that was analysed: name without folders, SHA-256 of its bytes, seconds, what it holds.

    ``language`` is the ISO 639-1 code that was detected or None, with its probability.
    """

    name: str
    sha256: str
    duration: float
    has_audio: bool
    has_video: bool
    language: str | None = None
    language_probability: float | None = None


@dataclass(frozen=True, slots=True)
class Speaker:
    """One voice of a recording: its name in the timeline, seconds of speech, and whether a face was linked to it."""

    id: str
    speaking: float
    face: bool
    face_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that took part, so that a result can be traced: its slot, name, licence and weight hash."""

    slot: str
    name: str
    licence: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """What ``merc.analyze`` returns: the utterances of a recording, each with its prediction, in order of time.

    ``overlaps`` are the stretches where several voices speak at once; ``notes`` say in plain sentences what was lost
    or withheld.
    """

    recording: Recording
    utterances: tuple[Utterance, ...]
    predictions: tuple[Prediction, ...]
    speakers: tuple[Speaker, ...] = ()
    overlaps: tuple[Segment, ...] = ()
    labels: tuple[str, ...] = EKMAN7
    models: tuple[Model, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.utterances) != len(self.predictions):
            raise InputError(
                f"timeline of {self.recording.name}: {len(self.utterances)} utterances but "
                f"{len(self.predictions)} predictions; expected one prediction an utterance"
            )

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[tuple[Utterance, Prediction]]:
        return iter(zip(self.utterances, self.predictions, strict=True))

    @property
    def conversation(self) -> Conversation:
        """The utterances alone."""
        return Conversation(self.recording.name, self.utterances)

    def save(self, folder: str | Path, *, formats: Sequence[str] | None = None) -> list[Path]:
        """Write the timeline into a folder, one file a format (default: all), and return the paths.

        The writers live in higher rooms, so they are looked up by name. Raises UnknownName for a format that does
        not exist and OutputError where nothing can be written.
        """
        written: list[Path] = importlib.import_module("merc.formats").save(self, folder, formats=formats)
        return written

    def _repr_html_(self) -> str:
        """A picture of the timeline for notebooks."""
        html: str = importlib.import_module("merc.report").fragment(self)
        return html
