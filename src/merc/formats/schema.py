"""The models of ``timeline.json`` in version 1, used to check a file that is read and to make its JSON Schema.

Imported only when JSON is read, because pydantic takes a tenth of a second to load. ``timeline.schema.json`` beside
this file is ``schema()``; a test holds them equal. Fields may be added within a version, so unknown ones are passed
over; a field that goes or changes its meaning makes a new version.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

VERSION = 1

Probability = Annotated[float, Field(ge=0, le=1)]
Seconds = Annotated[float, Field(ge=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, allow_inf_nan=False)


class RecordingFields(_Strict):
    """The file that was analysed."""

    name: str = Field(description="File name without folders.")
    sha256: str = Field(description="SHA-256 of the file's bytes, in hexadecimal.")
    duration: Seconds = Field(description="Length in seconds.")
    has_audio: bool = Field(description="Whether a sound stream was found.")
    has_video: bool = Field(description="Whether a picture stream was found.")
    language: str | None = Field(description="ISO 639-1 code of the language that was detected or given, or null.")
    language_probability: Probability | None = Field(description="Probability of the detected language, or null.")


class SpeakerFields(_Strict):
    """One voice of the recording."""

    id: str = Field(description="Its name in the timeline.")
    speaking: Seconds = Field(description="Seconds of speech.")
    face: bool = Field(description="Whether a face was linked to the voice.")
    face_reason: str | None = Field(description="Why no face was linked, or null.")


class WordFields(_Strict):
    """One word as spoken."""

    text: str = Field(description="The word with its punctuation.")
    start: Seconds = Field(description="Seconds from the start of the recording.")
    end: Seconds = Field(description="Seconds from the start of the recording, exclusive.")
    probability: Probability | None = Field(description="The recogniser's probability; null: from a transcript.")


class EvidenceFields(_Strict):
    """What one modality alone says of an utterance."""

    modality: str = Field(description="text, voice or face.")
    probabilities: dict[str, Probability] | None = Field(description="Distribution over the labels, or null.")
    missing: str | None = Field(description="Why there is no distribution; null where there is one.")
    detail: dict[str, JsonValue] = Field(description="The facts behind it, such as the number of frames.")


class UtteranceFields(_Strict):
    """One utterance with its prediction."""

    id: str = Field(description="Name of the utterance, unique in the file.")
    speaker: str | None = Field(description="The voice that speaks, an id among the speakers, or null.")
    start: Seconds | None = Field(description="Seconds from the start of the recording; null: the time is unknown.")
    end: Seconds | None = Field(description="Seconds from the start of the recording, exclusive; null with start.")
    text: str | None = Field(description="What is said; null: unknown.")
    label: str | None = Field(description="The predicted label; null where the prediction abstains.")
    confidence: Probability = Field(description="Calibrated probability that the most probable label is right.")
    abstained: bool = Field(description="Whether the prediction abstains.")
    reason: str | None = Field(description="Why it abstains or has no distribution, or null.")
    probabilities: dict[str, Probability] | None = Field(description="Fused distribution over the labels, or null.")
    evidence: list[EvidenceFields] = Field(description="Each modality alone.")
    words: list[WordFields] = Field(description="The words with their times; empty where they are unknown.")
    annotated_label: str | None = Field(description="A label given by annotators, never a predicted one, or null.")
    annotated_scores: dict[str, float] = Field(description="Annotated dimensions such as valence.")
    meta: dict[str, JsonValue] = Field(description="Whatever else the transcript or corpus says of the utterance.")


class StretchFields(_Strict):
    """A stretch of time."""

    start: Seconds = Field(description="Seconds from the start of the recording.")
    end: Seconds = Field(description="Seconds from the start of the recording, exclusive.")


class ModelFields(_Strict):
    """A model that took part."""

    slot: str = Field(description="What it did: asr, text, voice, ….")
    name: str = Field(description="Its name.")
    licence: str = Field(description="Its licence.")
    sha256: str = Field(description="SHA-256 of its weights, in hexadecimal.")


class TimelineFields(_Strict):
    """A recording's utterances with their predicted labels, as merc writes them."""

    schema_: Literal["merc-timeline/1"] = Field(alias="schema", description="Name and version of the format.")
    recording: RecordingFields = Field(description="The file that was analysed.")
    labels: list[str] = Field(description="The labels of every distribution, in their order.")
    speakers: list[SpeakerFields] = Field(description="The voices of the recording.")
    utterances: list[UtteranceFields] = Field(description="The utterances in order of time.")
    overlaps: list[StretchFields] = Field(description="Where several voices speak at once.")
    models: list[ModelFields] = Field(description="The models that took part.")
    options: dict[str, JsonValue] = Field(description="The options of the run.")
    notes: list[str] = Field(description="What was lost or withheld, in plain sentences.")


def schema() -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of ``timeline.json``."""
    made = TimelineFields.model_json_schema(by_alias=True)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": "merc-timeline/1"} | made
