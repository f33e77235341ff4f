"""Pydantic models of ``timeline.json`` in version 2: they validate files and generate the JSON Schema.

Imported only when JSON is read, because importing pydantic takes 0.1 s. ``timeline.schema.json`` is the output of
``schema()``, which a test checks. Fields may be added within a version, so unknown fields are ignored; removing a
field or changing its meaning requires a new version. Version 2 added the edits of people, which a reader must not
ignore; files of version 1 have none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from merc.conversation import (
    Evidence,
    Model,
    Prediction,
    Recording,
    Segment,
    Speaker,
    Step,
    Timeline,
    Utterance,
    Word,
)
from merc.edits import Change, Correction, Edit
from merc.errors import InputError
from merc.formats.source import frozen

VERSION = 2

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class RecordingFields(_Strict):
    """The file that was analysed."""

    name: str = Field(description="File name without folders.")
    sha256: str = Field(description="SHA-256 of the file's bytes, in hexadecimal.")
    duration: Seconds = Field(description="Length in seconds.")
    has_audio: bool = Field(description="Whether the file has an audio stream.")
    has_video: bool = Field(description="Whether the file has a video stream.")
    language: str | None = Field(description="ISO 639-1 code of the language that was detected or given, or null.")
    language_probability: Probability | None = Field(description="Probability of the detected language, or null.")
    audio_track: int | None = Field(None, description="Number of the audio track that was heard, from 1, or null.")
    video_track: int | None = Field(None, description="Number of the video track that was seen, from 1, or null.")
    channel: str | None = Field(
        None, description="What of the audio track was heard: mono, left, separate: …, or null."
    )
    translated: bool = Field(False, description="Whether words of other languages are a translation into English.")


class SpeakerFields(_Strict):
    """One speaker of the recording."""

    id: str = Field(description="Name in the timeline.")
    speaking: Seconds = Field(description="Seconds of speech.")
    face: bool = Field(description="Whether a face was linked to the voice.")
    face_reason: str | None = Field(description="Why no face was linked, or null.")


class WordFields(_Strict):
    """One word with its timing."""

    text: str = Field(description="The word with its punctuation.")
    start: Seconds = Field(description="Seconds from the start of the recording.")
    end: Seconds = Field(description="Seconds from the start of the recording, exclusive.")
    probability: Probability | None = Field(
        description="Probability from the speech recogniser; null: from a transcript."
    )


class StepsFields(_Strict):
    """The prediction of a modality by steps of about half a second within an utterance, as columns of equal length."""

    start: list[Seconds] = Field(description="When each step starts, in seconds from the start of the recording.")
    end: list[Seconds] = Field(description="When each step ends, exclusive.")
    probabilities: dict[str, list[Probability]] = Field(description="For each label its probability in each step.")


class EvidenceFields(_Strict):
    """The prediction of a single modality for an utterance."""

    modality: str = Field(description="text, voice or face.")
    probabilities: dict[str, Probability] | None = Field(description="Distribution over the labels, or null.")
    missing: str | None = Field(description="Why there is no distribution, or null.")
    detail: dict[str, JsonValue] = Field(description="What the prediction is based on, such as the number of frames.")
    steps: StepsFields | None = Field(
        default=None, description="The prediction by time; null where there is none, absent in older files."
    )


class CorrectionFields(_Strict):
    """Who set or rejected the label of an utterance."""

    predicted: str | None = Field(description="The label that the model predicted, or null.")
    by: str = Field(description="Who corrected it.")
    at: str = Field(description="When: ISO 8601, in UTC.")


class UtteranceFields(_Strict):
    """One utterance with its prediction."""

    id: str = Field(description="Id of the utterance, unique in the file.")
    speaker: str | None = Field(description="Id of the speaker, or null.")
    start: Seconds | None = Field(description="Seconds from the start of the recording; null: the time is unknown.")
    end: Seconds | None = Field(description="Seconds from the start of the recording, exclusive; null with start.")
    text: str | None = Field(description="Transcript; null: unknown.")
    label: str | None = Field(description="The predicted label; null: the model abstains.")
    confidence: Probability = Field(description="Calibrated probability that the most probable label is right.")
    abstained: bool = Field(description="Whether the model abstains.")
    reason: str | None = Field(description="Why there is no label or no distribution, or null.")
    probabilities: dict[str, Probability] | None = Field(description="Fused distribution over the labels, or null.")
    evidence: list[EvidenceFields] = Field(description="Predictions of the single modalities.")
    words: list[WordFields] = Field(description="The words with their times; may be empty.")
    annotated_label: str | None = Field(description="Label given by annotators, never a predicted one, or null.")
    annotated_scores: dict[str, float] = Field(description="Annotated dimensions such as valence.")
    meta: dict[str, JsonValue] = Field(description="Other information from the transcript or corpus.")
    correction: CorrectionFields | None = Field(
        None, description="In a file of the corrected layer alone: who set the label; null: it is the model's."
    )
    values: dict[str, float] = Field(
        {}, description="Predicted values on dimensions such as valence, by a system that predicts them beside labels."
    )


class StretchFields(_Strict):
    """A time interval."""

    start: Seconds = Field(description="Seconds from the start of the recording.")
    end: Seconds = Field(description="Seconds from the start of the recording, exclusive.")


class ModelFields(_Strict):
    """A model that the result depends on."""

    slot: str = Field(description="What it is used for: asr, text, voice, ….")
    name: str = Field(description="Name.")
    licence: str = Field(description="Licence of the weights.")
    sha256: str = Field(description="SHA-256 of the weights, in hexadecimal.")


class EditFields(_Strict):
    """What a person changed."""

    change: Annotated[Change, Field(discriminator="kind")] = Field(description="What the edit does.")
    by: str = Field(description="Who made it.")
    at: str = Field(description="When: ISO 8601, in UTC; edits that were made together share it.")


class TimelineFields(_Strict):
    """The utterances of a recording with their predicted labels, as written by merc."""

    schema_: Literal["merc-timeline/1", "merc-timeline/2"] = Field(
        alias="schema", description="Name and version of the format."
    )
    recording: RecordingFields = Field(description="The file that was analysed.")
    labels: list[str] = Field(description="The labels of every distribution, in order.")
    speakers: list[SpeakerFields] = Field(description="The speakers of the recording.")
    utterances: list[UtteranceFields] = Field(description="The utterances in order of time.")
    overlaps: list[StretchFields] = Field(description="Where several people speak at once.")
    models: list[ModelFields] = Field(description="The models that the result depends on.")
    options: dict[str, JsonValue] = Field(description="The options of the analysis.")
    notes: list[str] = Field(description="Sentences on what could not be analysed.")
    edits: list[EditFields] = Field(
        default=[], description="What people changed, in order, not applied to the utterances; absent in version 1."
    )


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``timeline.json``."""
    made = TimelineFields.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "merc-timeline/2"} | made


def timeline_of(fields: TimelineFields) -> Timeline:
    """The timeline that a file describes; raises InputError where its parts contradict each other."""
    return Timeline(
        Recording(**fields.recording.model_dump()),
        tuple(map(_made_utterance, fields.utterances)),
        tuple(map(_made_prediction, fields.utterances)),
        speakers=tuple(Speaker(**speaker.model_dump()) for speaker in fields.speakers),
        overlaps=tuple(Segment(stretch.start, stretch.end) for stretch in fields.overlaps),
        labels=tuple(fields.labels),
        models=tuple(Model(**model.model_dump()) for model in fields.models),
        options=frozen(fields.options),
        notes=tuple(fields.notes),
        edits=tuple(Edit(edit.change, edit.by, edit.at) for edit in fields.edits),
    )


def _made_utterance(fields: UtteranceFields) -> Utterance:
    if (fields.start is None) != (fields.end is None):
        raise InputError(f"utterance {fields.id} has only one of start and end: expected both, or null for both")
    return Utterance(
        fields.id,
        fields.speaker,
        fields.text,
        segment=None if fields.start is None or fields.end is None else Segment(fields.start, fields.end),
        words=tuple(Word(word.text, Segment(word.start, word.end), word.probability) for word in fields.words),
        label=fields.annotated_label,
        scores=fields.annotated_scores,
        meta=frozen(fields.meta),
    )


def _made_prediction(fields: UtteranceFields) -> Prediction:
    evidence = (
        Evidence(e.modality, e.probabilities, e.missing, frozen(e.detail), _made_steps(e.steps, fields.id))
        for e in fields.evidence
    )
    return Prediction(
        fields.probabilities,
        fields.label,
        fields.confidence,
        abstained=fields.abstained,
        reason=fields.reason,
        evidence=tuple(evidence),
        correction=None if fields.correction is None else Correction(**fields.correction.model_dump()),
        values=fields.values,
    )


def _made_steps(fields: StepsFields | None, owner: str) -> tuple[Step, ...]:
    if fields is None:
        return ()
    columns = [fields.start, fields.end, *fields.probabilities.values()]
    if len({len(column) for column in columns}) > 1:
        raise InputError(f"steps of utterance {owner}: expected as many ends and probabilities of a label as starts")
    rows = zip(*fields.probabilities.values(), strict=True) if fields.probabilities else ((),) * len(fields.start)
    return tuple(
        Step(Segment(start, end), dict(zip(fields.probabilities, row, strict=True)))
        for start, end, row in zip(fields.start, fields.end, rows, strict=True)
    )
