"""Data types shared by all of merc: utterances, conversations, predictions, timelines.

Times are seconds from the start of the recording; ends are exclusive. An unknown value is ``None``, with its reason in
a field of its own where the reason matters; it is never a zero.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.errors import InputError
from merc.labels import EKMAN7

if TYPE_CHECKING:
    from merc.edits import Correction, Edit


@dataclass(frozen=True, slots=True, order=True)
class Segment:
    """A time interval ``[start, end)``.

    Args:
        start: Seconds from the start of the recording, at least 0.
        end: Seconds; finite and greater than ``start``.

    Raises:
        InputError: If not ``0 <= start < end``, or if either is infinite or NaN.

    Example:
        >>> one, other = Segment(1.0, 3.0), Segment(2.5, 4.0)
        >>> one.duration, one.middle
        (2.0, 2.0)
        >>> one.overlap(other)
        0.5
        >>> Segment(3, 1)
        Traceback (most recent call last):
            ...
        merc.errors.InputError: segment 3 to 1 s: expected 0 <= start < end, in seconds
    """

    start: float
    end: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.start) and math.isfinite(self.end) and 0 <= self.start < self.end):
            raise InputError(f"segment {self.start} to {self.end} s: expected 0 <= start < end, in seconds")

    @property
    def duration(self) -> float:
        """Length in seconds.

        >>> Segment(0.25, 0.75).duration
        0.5
        """
        return self.end - self.start

    @property
    def middle(self) -> float:
        """Midpoint in seconds.

        >>> Segment(1, 2).middle
        1.5
        """
        return (self.start + self.end) / 2

    def overlap(self, other: Segment) -> float:
        """Duration of the intersection with another segment.

        Args:
            other: Any segment of the same recording.

        Returns:
            Seconds; 0.0 if the segments are disjoint or only touch.

        Example:
            >>> Segment(0.0, 2.0).overlap(Segment(1.0, 3.0))
            1.0
            >>> Segment(0, 1).overlap(Segment(1, 2))
            0.0
        """
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its timing.

    Args:
        text: The word as spoken.
        segment: When it is spoken.
        probability: Probability from the speech recogniser; None for a word of a transcript.
    """

    text: str
    segment: Segment
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Utterance:
    """A stretch of speech by one speaker.

    Args:
        id: Unique within its conversation.
        speaker: Name of the speaker, or None if unknown.
        text: Transcript, or None.
        segment: When it is spoken, or None.
        words: Words with their timing; may be empty.
        label: Annotated label, never a predicted one; None if not annotated.
        scores: Annotated dimensions by name, such as valence.
        meta: Other information from the corpus or file format.

    Example:
        >>> one = Utterance("u1", "Ann", "How nice!", Segment(0.5, 1.5), label="joy", scores={"valence": 4.5})
        >>> one.speaker, one.segment.duration, one.label
        ('Ann', 1.0, 'joy')
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
    """The utterances of one recording in order; has a length and can be iterated over.

    Args:
        id: Unique within its corpus.
        utterances: In order of time.
        meta: Other information from the corpus or file format.

    Example:
        >>> talk = Conversation("talk", (Utterance("u1", "Ann", "Hello."), Utterance("u2", "Ben", "Hi.")))
        >>> len(talk)
        2
        >>> [f"{one.speaker}: {one.text}" for one in talk]
        ['Ann: Hello.', 'Ben: Hi.']
    """

    id: str
    utterances: tuple[Utterance, ...]
    meta: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)


@dataclass(frozen=True, slots=True)
class Step:
    """The prediction of a single modality for one step of time within an utterance.

    Args:
        segment: About half a second of the utterance.
        probabilities: Probability by label.
    """

    segment: Segment
    probabilities: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Evidence:
    """The prediction of a single modality for one utterance, or the reason why there is none.

    Args:
        modality: ``"text"``, ``"voice"`` or ``"face"``.
        probabilities: Probability by label; None if the modality is missing.
        missing: Reason why the modality is missing; None if there are probabilities.
        detail: What the prediction is based on, such as ``{"frames": 3}``.
        steps: How the prediction changes within the utterance, in order of time; may have gaps.

    Raises:
        InputError: If both or neither of ``probabilities`` and ``missing`` are given.

    Example:
        >>> Evidence("text", {"joy": 0.75, "neutral": 0.25}).probabilities["joy"]
        0.75
        >>> Evidence("face", missing="no face in view").probabilities is None
        True
    """

    modality: str
    probabilities: Mapping[str, float] | None = None
    missing: str | None = None
    detail: Mapping[str, Any] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()

    def __post_init__(self) -> None:
        if (self.probabilities is None) == (self.missing is None):
            raise InputError(
                f"evidence '{self.modality}': expected either probabilities or the reason why they are missing"
            )


@dataclass(frozen=True, slots=True)
class Prediction:
    """The predicted label of one utterance.

    Args:
        probabilities: Probability by label after fusion; None if no modality had evidence.
        label: Predicted label; None if the model abstains.
        confidence: Calibrated probability that ``top`` is the label that annotators would have chosen.
        abstained: Whether the model abstains.
        reason: Why there is no label or no distribution; None otherwise.
        evidence: Predictions of the single modalities.
        correction: Who set or rejected ``label``, in ``Timeline.corrected``; None if the label is the model's.
        values: Predicted values on dimensions, such as valence.

    Example:
        >>> sure = Prediction({"joy": 0.75, "anger": 0.25}, "joy", 0.75, abstained=False)
        >>> sure.label, sure.top
        ('joy', 'joy')
        >>> unsure = Prediction({"joy": 0.5, "anger": 0.5}, None, 0.5, abstained=True, reason="low confidence")
        >>> unsure.label is None, unsure.top
        (True, 'anger')
    """

    probabilities: Mapping[str, float] | None
    label: str | None
    confidence: float
    abstained: bool
    reason: str | None = None
    evidence: tuple[Evidence, ...] = ()
    correction: Correction | None = None
    values: Mapping[str, float] = field(default_factory=dict)

    @property
    def top(self) -> str | None:
        """Most probable label, also if the model abstains; None without probabilities. Ties: first in the alphabet."""
        if not self.probabilities:
            return None
        return min(self.probabilities, key=lambda name: (-self.probabilities[name], name))  # type: ignore[index]


@dataclass(frozen=True, slots=True)
class Recording:
    """The file that was analysed.

    Args:
        name: File name without folders.
        sha256: SHA-256 of its bytes, 64 hex digits.
        duration: Seconds.
        has_audio: Whether it has an audio stream.
        has_video: Whether it has a video stream.
        language: Detected language (ISO 639-1), or None.
        language_probability: Probability of that language, or None.
        audio_track: Number of the audio track that was heard, from 1, or None.
        video_track: Number of the video track that was seen, from 1, or None.
        channel: What of the audio track was heard, such as "mono" or "mix of left, right"; None without sound.
        translated: Whether the words of other languages are the speech recogniser's translation into English.
    """

    name: str
    sha256: str
    duration: float
    has_audio: bool
    has_video: bool
    language: str | None = None
    language_probability: float | None = None
    audio_track: int | None = None
    video_track: int | None = None
    channel: str | None = None
    translated: bool = False


@dataclass(frozen=True, slots=True)
class Speaker:
    """A speaker of a recording.

    Args:
        id: Name in the timeline.
        speaking: Seconds of speech.
        face: Whether a face was linked to the voice.
        face_reason: Why not, or None.
    """

    id: str
    speaking: float
    face: bool
    face_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Model:
    """A model that a result depends on, recorded for provenance.

    Args:
        slot: What it is used for, such as ``"asr"``.
        name: Name of the model.
        licence: Licence of its weights.
        sha256: Hash of its weights.
    """

    slot: str
    name: str
    licence: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """The result of ``merc.analyze``: the utterances of a recording with their predictions, in order of time.

    Has a length; iterating gives pairs of utterance and prediction.

    Args:
        recording: The file that was analysed.
        utterances: In order of time.
        predictions: One per utterance.
        speakers: Speakers of the recording.
        overlaps: Segments in which several people speak at once.
        labels: All labels that can be predicted.
        models: Models that the result depends on.
        options: Options of the analysis by name.
        notes: Sentences on what could not be analysed.
        edits: What people changed, in order; see ``merc.edits``. They are applied by ``corrected`` only.

    Raises:
        InputError: If the numbers of utterances and predictions differ.

    Example:
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> joy = Prediction({"joy": 0.75, "neutral": 0.25}, "joy", 0.75, abstained=False)
        >>> timeline = Timeline(recording, (Utterance("u1", "Ann", "How nice!", Segment(0.5, 1.5)),), (joy,))
        >>> [(utterance.text, prediction.label) for utterance, prediction in timeline]
        [('How nice!', 'joy')]
        >>> timeline.conversation.id
        'talk.wav'
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
    edits: tuple[Edit, ...] = ()

    def __post_init__(self) -> None:
        if len(self.utterances) != len(self.predictions):
            raise InputError(
                f"timeline of {self.recording.name}: {len(self.utterances)} utterances but "
                f"{len(self.predictions)} predictions; expected one prediction per utterance"
            )

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[tuple[Utterance, Prediction]]:
        return iter(zip(self.utterances, self.predictions, strict=True))

    @property
    def conversation(self) -> Conversation:
        """The utterances without their predictions; its id is the file name."""
        return Conversation(self.recording.name, self.utterances)

    @property
    def corrected(self) -> Timeline:
        """The timeline as its edits make it; itself where there are none."""
        view: Timeline = importlib.import_module("merc.edits").corrected(self)
        return view

    def save(self, folder: str | Path, *, formats: Sequence[str] | None = None) -> list[Path]:
        """Write the timeline into a folder, one file per format.

        Args:
            folder: Created if it does not exist.
            formats: Names of formats, such as ``["json", "srt"]`` (default: all).

        Returns:
            The paths of the files.

        Raises:
            UnknownName: If a format does not exist.
            OutputError: If a file cannot be written.
        """
        written: list[Path] = importlib.import_module("merc.formats").save(self, folder, formats=formats)  # no circle
        return written

    def _repr_html_(self) -> str:
        """HTML of the timeline for notebooks."""
        html: str = importlib.import_module("merc.report").fragment(self)
        return html
