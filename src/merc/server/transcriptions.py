"""Transcription in the shape that clients of OpenAI's API use, with speaker and predicted label in each segment."""

from __future__ import annotations

import asyncio
import math
import tempfile
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from merc.conversation import Prediction, Timeline, Utterance, Word
from merc.errors import InputError
from merc.formats import WRITERS, native, written
from merc.options import one_of
from merc.server.analyses import POLL, ended, queued
from merc.server.intake.uploads import Form, received
from merc.server.problems import Problem
from merc.server.queue.jobs import Job
from merc.server.store import Store
from merc.speech.models import SIZES

FORMATS = ("json", "text", "srt", "vtt", "verbose_json")
"""Values of ``response_format``."""
GRANULARITIES = ("word", "segment")
"""Values of ``timestamp_granularities[]``."""
_BASE = "whisper-1"  # what clients ask for by default
_WITHOUT_EFFECT = {"temperature": ("0", "0.0"), "stream": ("false", "False"), "prompt": ("",)}
"""Fields that clients send, and the values under which they change nothing; merc refuses others."""
_FORM = {
    "file": {"type": "string", "format": "binary", "description": "The recording, also with video."},
    "model": {"type": "string", "description": f"{_BASE} (the default of merc), {', '.join(SIZES)}."},
    "language": {"type": "string", "description": "ISO 639 code of the language; absent: detected."},
    "response_format": {"type": "string", "enum": list(FORMATS), "default": "json"},
    "timestamp_granularities[]": {"type": "array", "items": {"type": "string", "enum": list(GRANULARITIES)}},
    "temperature": {"type": "number", "enum": [0], "description": "0: decoding takes no samples."},
    "stream": {"type": "boolean", "enum": [False], "description": "false: see /v1/stream for live recordings."},
    "prompt": {"type": "string", "enum": [""], "description": "Empty: a prompt would change what is heard."},
    "speakers": {"type": "integer", "description": "Number of speakers; absent: estimated."},
}
_BODY = {
    "required": True,
    "content": {
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "properties": _FORM,
                "required": ["file", "model"],
                "additionalProperties": False,
            }
        }
    },
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}, "text/plain": {}, "text/vtt": {}}}
}


def transcriptions_router(store: Store) -> APIRouter:
    """The route ``/v1/audio/transcriptions``.

    Args:
        store: Where the recording is analysed; nothing of it is kept.
    """
    router = APIRouter(tags=["transcription"])

    @router.post(
        "/v1/audio/transcriptions",
        summary="Transcribe a recording, with speakers and labels",
        openapi_extra={"requestBody": _BODY},
        response_class=Response,
        responses=_ANSWERS,
    )
    async def transcribe(request: Request) -> Response:
        await run_in_threadpool(store.room)
        async with received(request, store.incoming) as form:
            shape, granularities = _asked(form)
            job = await run_in_threadpool(queued, store, form, transient=True)
        request.state.id = job.id
        try:
            await _ended(request, store, job)
            return await run_in_threadpool(_answer, store, job, shape, granularities)
        finally:
            await asyncio.shield(run_in_threadpool(store.remove, job.id))

    return router


def _asked(form: Form) -> tuple[str, tuple[str, ...]]:
    """Take the fields that are not options of an analysis out of a form: response format and granularities."""
    values = form.values
    if "file" not in form.files:
        raise InputError("file is missing: upload the recording as a form")
    shape = values.pop("response_format", "json")
    one_of(FORMATS, response_format=shape)
    given = values.pop("timestamp_granularities[]", None) or values.pop("timestamp_granularities", None) or "segment"
    granularities = (given,) if isinstance(given, str) else tuple(given)
    for one in granularities:
        one_of(GRANULARITIES, timestamp_granularities=one)
    for name, harmless in _WITHOUT_EFFECT.items():
        if (value := values.pop(name, None)) is not None and value not in harmless:
            raise InputError(f"{name} is '{value}': merc does not support it; leave it out")
    model = values.pop("model", None)
    if model is None:
        raise InputError(f"model is missing: expected {_BASE} or one of {', '.join(SIZES)}")
    one_of((_BASE, *SIZES), model=model)
    values["asr"] = "base" if model == _BASE else model
    if unknown := sorted(set(values) - {"asr", "language", "speakers"}):
        raise InputError(f"unknown field '{unknown[0]}': expected {', '.join(_FORM)}")
    return shape, granularities


async def _ended(request: Request, store: Store, job: Job) -> None:
    """Wait for the end of an analysis, or of the client's patience."""
    while not await run_in_threadpool(ended, store, job.id):
        if await request.is_disconnected():
            raise Problem(408, "the client has gone")
        await asyncio.sleep(POLL)


def _answer(store: Store, job: Job, shape: str, granularities: tuple[str, ...]) -> Response:
    timeline = native.read(store.find(job.id) / written.TIMELINE)
    if not isinstance(timeline, Timeline):
        raise InputError(f"{job.name}: the results are not a timeline")
    text = " ".join(one.text for one in timeline.utterances if one.text)
    if shape == "text":
        return PlainTextResponse(f"{text}\n")
    if shape in ("srt", "vtt"):
        kind = {"srt": "text/plain", "vtt": "text/vtt"}[shape]
        return Response(_subtitles(timeline, shape), media_type=f"{kind}; charset=utf-8")
    return JSONResponse({"text": text} if shape == "json" else verbose(timeline, text, granularities))


def _subtitles(timeline: Timeline, shape: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        WRITERS[shape](timeline, path := Path(folder) / f"talk.{shape}")
        return path.read_text(encoding="utf-8")


def verbose(timeline: Timeline, text: str, granularities: tuple[str, ...]) -> dict[str, Any]:
    """A timeline as ``verbose_json``.

    Args:
        timeline: The result of an analysis.
        text: All that was said.
        granularities: Whether segments, words or both are listed.
    """
    recording = timeline.recording
    found: dict[str, Any] = {
        "task": "translate" if recording.translated else "transcribe",
        "language": recording.language,
        "duration": recording.duration,
        "text": text,
    }
    if "segment" in granularities:
        found["segments"] = [_segment(number, utterance, guess) for number, (utterance, guess) in enumerate(timeline)]
    if "word" in granularities:
        found["words"] = [_word(word) for utterance in timeline.utterances for word in utterance.words]
    return found


def _segment(number: int, utterance: Utterance, guess: Prediction) -> dict[str, Any]:
    """The fields of a segment that clients know, null where merc does not compute them, and merc's own."""
    segment = utterance.segment
    sure = [math.log(max(word.probability, 1e-9)) for word in utterance.words if word.probability is not None]
    return {
        "id": number,
        "seek": 0,
        "start": segment.start if segment else None,
        "end": segment.end if segment else None,
        "text": utterance.text or "",
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": round(sum(sure) / len(sure), 4) if sure else None,
        "compression_ratio": None,
        "no_speech_prob": None,
        "speaker": utterance.speaker,
        "emotion": guess.label,
        "confidence": guess.confidence,
        "probabilities": dict(guess.probabilities) if guess.probabilities else None,
    }


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text, "start": word.segment.start, "end": word.segment.end}
