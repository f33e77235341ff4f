"""What a request for an analysis may say: the options of ``merc analyze`` that are not the server's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from merc.errors import InputError
from merc.options import between, one_of
from merc.pipeline.options import AnalyzeOptions
from merc.server.problems import in_words
from merc.speech.models import SIZES

MOST = {"beam": 10, "speakers": 100, "min_speakers": 100, "max_speakers": 100}
"""Largest values that a request may ask for: work grows with them."""


class RequestOptions(BaseModel):
    """Options of an analysis, by the names of the command's.

    Number of threads and device are the server's.
    """

    model_config = ConfigDict(extra="forbid")

    speakers: int | None = Field(None, description="Number of speakers; absent: estimated.")
    min_speakers: int | None = Field(None, description="Minimum number of speakers, where it is estimated.")
    max_speakers: int | None = Field(None, description="Maximum number of speakers, where it is estimated.")
    language: str | None = Field(None, description="ISO 639 code of the language; absent: detected.")
    video: bool = Field(True, description="Whether faces are detected where there is video.")
    audio_track: int | None = Field(None, description="Number of the audio track, from 1.")
    video_track: int | None = Field(None, description="Number of the video track, from 1.")
    channel: str | None = Field(None, description="mix, separate, left, right, centre or a number from 1.")
    asr: str = Field("base", description=f"Size of Whisper: {', '.join(SIZES)}; see /v1/models for those installed.")
    compute_type: str = Field("auto", description="Number format of Whisper, such as float32.")
    translate: bool = Field(False, description="Whether other languages are translated into English.")
    beam: int = Field(1, description="Beam size of Whisper.")
    threshold: float | None = Field(None, description="Leave the label empty below this confidence, 0 to 1.")
    system: str | None = Field(
        None, description="Name of a trained run that predicts in place of merc's models; see /v1/about."
    )
    voices: bool = Field(False, description="Whether speakers get the names of the voices stored on the server.")


def options(values: Mapping[str, Any], *, strict: bool) -> dict[str, Any]:
    """The options of a request that differ from the defaults, checked.

    Args:
        values: As they came.
        strict: Whether a text such as ``"2"`` is not a number: it is one in a form, and is not in JSON.

    Raises:
        InputError: one is unknown, of another type, or out of range.
        WeightError: the Whisper model is not installed.
    """
    try:
        found = RequestOptions.model_validate(dict(values), strict=strict).model_dump(exclude_defaults=True)
    except ValidationError as error:
        raise InputError("; ".join(in_words({**one}) for one in error.errors()[:5])) from error
    one_of(SIZES, asr=found.get("asr"))
    for name, most in MOST.items():
        limited: dict[str, float | None] = {name: found.get(name)}
        between(1, most, scope="", hint=" on this server", **limited)
    AnalyzeOptions(**{name: value for name, value in found.items() if name not in ("voices", "system")})
    installed(found.get("asr", "base"))
    return found


def installed(size: str) -> None:
    """Check that a Whisper model can be used.

    Raises:
        WeightError: it has not been downloaded to the server.
    """
    from merc.speech.models import find

    find(size)


def form_schema() -> dict[str, Any]:
    """The body of a request as OpenAPI describes it: a form with files, or JSON with paths."""
    described = RequestOptions.model_json_schema()["properties"]
    file = {"type": "string", "format": "binary"}
    form = {
        "file": {**file, "description": "The recording."},
        "transcript": {**file, "description": "A transcript: srt, vtt, csv, json, TextGrid, eaf, rttm, txt, xlsx."},
    }
    path = {
        "path": {"type": "string", "description": "Path of the recording below the server's root folder."},
        "transcript": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "description": "Path of a transcript below the root folder.",
        },
    }
    return {
        "required": True,
        "content": {
            "multipart/form-data": {"schema": _object(form | described, "file")},
            "application/json": {"schema": _object(path | described, "path")},
        },
    }


def _object(properties: dict[str, Any], required: str) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": [required], "additionalProperties": False}
