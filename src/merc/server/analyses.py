"""Analyses over HTTP: asked for, watched while they run, and removed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field
from sse_starlette import EventSourceResponse

from merc.errors import FormatError, InputError
from merc.formats import READERS
from merc.server.intake.paths import below
from merc.server.intake.requests import form_schema, options
from merc.server.intake.uploads import Form, received
from merc.server.problems import Problem
from merc.server.queue.jobs import Event, Job
from merc.server.store import Store, file_name

POLL = 0.25
"""Seconds between two looks at what happened to an analysis."""
_MOST = 2**63 - 1  # of a number in the database


class Stage(BaseModel):
    """How far one stage of an analysis is."""

    stage: str
    done: float = Field(description="Amount that is done, in the unit of the stage.")
    total: float = Field(description="Amount that there is.")


class Summary(BaseModel):
    """One analysis."""

    id: str
    name: str = Field(description="File name of the recording.")
    state: str = Field(description="queued, running, done or failed.")
    created: datetime
    started: datetime | None
    finished: datetime | None
    attempts: int = Field(description="How often it was begun; more than once if its process died.")
    reason: str | None = Field(description="Why it failed.")
    options: dict[str, Any] = Field(description="Options that were given.")


class Analysis(Summary):
    """One analysis and how far it is."""

    progress: list[Stage] = Field(description="The stages in the order in which they began.")


class Analyses(BaseModel):
    """Some analyses, the newest first."""

    analyses: list[Summary]
    before: float | None = Field(description="What to give as 'before' for those that are older; null: there are none.")


def analyses_router(store: Store) -> APIRouter:
    """Routes of ``/v1/analyses``.

    Args:
        store: Where the analyses are.
    """
    router = APIRouter(prefix="/v1/analyses", tags=["analyses"])

    @router.post("", status_code=202, summary="Analyse a recording", openapi_extra={"requestBody": form_schema()})
    async def create(request: Request, response: Response) -> Analysis:
        await run_in_threadpool(store.room)
        async with received(request, store.incoming) as form:
            job = await run_in_threadpool(queued, store, form)
        request.state.id = job.id
        response.headers["Location"] = f"/v1/analyses/{job.id}"
        return await run_in_threadpool(_analysis, store, job.id)

    @router.get("", summary="List analyses")
    def read_all(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        before: Annotated[float | None, Query(allow_inf_nan=False)] = None,
    ) -> Analyses:
        jobs = store.queue.listed(limit=limit, before=before)
        return Analyses(
            analyses=[Summary(**_fields(job)) for job in jobs],
            before=jobs[-1].created if len(jobs) == limit else None,
        )

    @router.get("/{id}", summary="State and progress of an analysis")
    def read(id: str) -> Analysis:  # noqa: A002 - the name in the path
        return _analysis(store, id)

    @router.get(
        "/{id}/events",
        summary="What happens to an analysis, as server-sent events",
        response_class=EventSourceResponse,
        responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    )
    async def watch(
        id: str,  # noqa: A002 - the name in the path
        last_event_id: Annotated[int, Header(ge=0, le=_MOST)] = 0,
    ) -> EventSourceResponse:
        await run_in_threadpool(store.get, id)
        return EventSourceResponse(_events(store, id, last_event_id))

    @router.delete("/{id}", status_code=204, summary="Remove an analysis with its recording and results")
    def remove(id: str) -> None:  # noqa: A002 - the name in the path
        store.remove(id)

    return router


def queued(store: Store, form: Form, *, transient: bool = False) -> Job:
    """Queue the analysis that a form or JSON object asks for.

    Args:
        store: Where the analysis goes; the files of the form are moved there.
        form: See `form_schema`.
        transient: Whether nothing is kept once its request is answered.

    Raises:
        InputError: the request lacks a recording, or an option is wrong.
        Problem: 429 if the queue is full.
    """
    values, files = dict(form.values), form.files
    if unknown := sorted(set(files) - {"file", "transcript"}):
        raise InputError(f"unknown file '{unknown[0]}': expected file, and perhaps transcript")
    if "file" in files:
        recording, source = files["file"].path, None
        name = file_name(files["file"].name, default="recording")
        if files["file"].empty:
            raise InputError(f"{name} is empty: give an audio or video file")
        transcript, title = _uploaded(form)
        values = {key: value for key, value in values.items() if value != ""}  # what a page's form leaves open
    else:
        recording = below(store.settings.root, _path(values, "path"))
        source, name = str(recording), file_name(recording.name, default="recording")
        transcript, title = _named(store, values)
    chosen = options(values, strict="file" not in files)
    store.settings.voices_for(chosen.get("voices", False))
    store.settings.system_for(chosen.get("system"))
    job = Job(
        name,
        chosen,
        source=source,
        transcript=title,
        transient=transient,
    )
    store.add(job, recording, transcript)
    return job


def _uploaded(form: Form) -> tuple[Path | None, str | None]:
    """The transcript of a form, and its name."""
    given = form.files.get("transcript")
    if given is None or (given.empty and not given.name):  # what a page's form leaves open
        return None, None
    return given.path, _readable(file_name(given.name, default="transcript"))


def _named(store: Store, values: dict[str, Any]) -> tuple[Path | None, str | None]:
    """The transcript that a JSON object names by its path, and its name."""
    if values.get("transcript") is None:
        values.pop("transcript", None)
        return None, None
    found = below(store.settings.root, _path(values, "transcript"))
    return found, _readable(file_name(found.name, default="transcript"))


def _path(values: dict[str, Any], name: str) -> str:
    if name not in values:
        raise InputError(f"{name} is missing: upload the recording as 'file', or name it by its 'path' in JSON")
    found = values.pop(name)
    if not isinstance(found, str):
        raise InputError(f"{name} is {json.dumps(found)[:40]}: expected text")
    return found


def _readable(name: str) -> str:
    """The name of a transcript whose format is known; raises FormatError otherwise."""
    suffix = Path(name).suffix.lstrip(".").lower()
    if suffix not in READERS:
        raise FormatError(f"unknown transcript format '{suffix}': known are {', '.join(sorted(READERS))}")
    return name


def ended(store: Store, id_: str) -> bool:
    """Whether the analysis of a request that waits for it is done.

    Raises:
        Problem: 422 with the reason if it failed, 409 if somebody removed it.
    """
    found = store.queue.get(id_)
    if found is None:
        raise Problem(409, "the analysis was removed while it ran: send the request again")
    if found.state == "failed":
        raise Problem(422, found.reason or "the analysis failed")
    return found.ended


async def _events(store: Store, id_: str, after: int) -> AsyncIterator[dict[str, str]]:
    """The events of an analysis since one of them, until it has ended or is removed."""
    while True:
        job = await run_in_threadpool(store.queue.get, id_)
        for event in await run_in_threadpool(store.queue.events, id_, after=after):
            after = event.id
            yield _sent(event)
        if job is None:
            yield {"event": "state", "data": json.dumps({"state": "removed"})}
        if job is None or job.ended:
            return
        await asyncio.sleep(POLL)


def _sent(event: Event) -> dict[str, str]:
    return {"id": str(event.id), "event": event.kind, "data": json.dumps({**event.data, "time": event.time})}


def _fields(job: Job) -> dict[str, Any]:
    times = {name: _time(getattr(job, name)) for name in ("created", "started", "finished")}
    kept = {name: getattr(job, name) for name in ("id", "name", "state", "attempts", "reason", "options")}
    return kept | times


def _time(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _analysis(store: Store, id_: str) -> Analysis:
    job = store.get(id_)
    stages: dict[str, Stage] = {}
    for event in store.queue.events(id_):
        if event.kind == "progress":
            stages[event.data["stage"]] = Stage(**event.data)
        elif event.data["state"] != "done":  # another attempt begins anew
            stages = {} if event.data["state"] == "running" else stages
    return Analysis(**_fields(job), progress=list(stages.values()))
