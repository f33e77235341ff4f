"""The results of an analysis over HTTP: every format in both layers, the report, the recording, and corrections."""

from __future__ import annotations

import io
import json
import mimetypes
import tempfile
import zipfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import fastapi
from fastapi import APIRouter, Body, Header, Query, Response
from fastapi.responses import FileResponse, HTMLResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from merc import formats, report
from merc.conversation import Timeline
from merc.corrections.agreement import agreement
from merc.corrections.requests import utterance_id
from merc.edits import Assign, Change, Join, Note, Relabel, Retime, Rewrite, Split
from merc.errors import InputError, UnknownName
from merc.export import Export, export
from merc.export.masks import Masks
from merc.formats import native
from merc.formats.source import shown
from merc.server.editing import Editing, Opened
from merc.server.problems import Problem
from merc.web.palette import looks, stacking

Find = Callable[[str], Path]
"""From the id of an analysis to its folder of results; raises a problem if there is none."""

Id = Annotated[str, fastapi.Path(alias="id", description="Id of the analysis.")]
IfMatch = Annotated[
    str | None, Header(alias="If-Match", description="ETag of the state that the edit is for; 412 if it has passed.")
]
Text = Annotated[str, Field(max_length=20_000)]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Time = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class View(BaseModel):
    """What of the results is wanted."""

    model_config = ConfigDict(extra="forbid")
    layer: Literal["corrected", "predicted"] | None = Field(default=None, description="Layer (default: corrected).")
    pseudonyms: bool = Field(default=False, description="P1, P2, … for the speakers, also in what is said.")
    anonymise: bool = Field(default=False, description="Pseudonyms, and no names or hashes of files.")
    without: str = Field(default="", description="Leave out words, voices, faces; separated by commas.")


class Signed(BaseModel):
    """What every request to edit holds."""

    model_config = ConfigDict(extra="forbid")
    by: Name = Field(description="Who makes the edit.")


class Correction(Signed):
    """Corrections of one utterance; those that are given are made together, in the order of the fields."""

    split: Time | None = Field(None, description="Cut the utterance at this second.")
    join: Name | None = Field(None, description="Make it one with this utterance of the same speaker, next to it.")
    speaker: Name | None = Field(None, description="Give it to a speaker, who may be new.")
    start: Time | None = Field(None, description="Second at which it starts; with end.")
    end: Time | None = Field(None, description="Second at which it ends; with start.")
    words: Text | None = Field(None, description="What was said.")
    label: Name | None = Field(None, description="Set the label.")
    reject: bool = Field(False, description="Reject the predicted label without setting another.")
    note: Text | None = Field(None, description="Leave a note; an empty one removes it.")

    def changes(self, view: Timeline, name: str) -> list[Change]:
        """The changes of an utterance."""
        if self.reject and self.label is not None:
            raise InputError(f"utterance {name} has both label and reject: expected one of them")
        if (self.start is None) != (self.end is None):
            raise InputError(f"utterance {name} has only one of start and end: expected both")
        makers: Mapping[str, Callable[[Any], Change]] = {
            "split": lambda at: Split(name, at),
            "join": lambda other: Join((name, utterance_id(view, other))),
            "speaker": lambda speaker: Assign(name, speaker),
            "start": lambda start: Retime(name, start, self.end or 0.0),
            "words": lambda text: Rewrite(name, text),
            "label": lambda label: Relabel(name, label),
            "reject": lambda _: Relabel(name, None),
            "note": lambda text: Note(name, text),
        }
        given = self.model_dump(exclude_none=True, exclude_defaults=True)
        if made := [make(given[field]) for field, make in makers.items() if field in given]:
            return made
        raise InputError(f"nothing to change in utterance {name}: expected words, label, speaker or another field")


class Edits(Signed):
    """Changes that are made together, in order."""

    changes: list[Annotated[Change, Field(discriminator="kind")]] = Field(min_length=1, max_length=1000)


class Outcome(BaseModel):
    """What an edit changed in the corrected layer."""

    utterances: list[dict[str, Any]] = Field(description="Utterances that are new or differ, as in timeline.json.")
    ids: list[str] = Field(description="Ids of all utterances, in order.")
    speakers: list[dict[str, Any]] = Field(description="All speakers, as in timeline.json.")
    edits: list[dict[str, Any]] = Field(description="The edits that were made, or taken back.")
    count: int = Field(description="How many edits there are now.")


class Look(BaseModel):
    """A label that can be set, and how pages show it."""

    name: str = Field(description="The label.")
    light: str = Field(description="Colour on a light page.")
    dark: str = Field(description="Colour on a dark page.")
    shape: str = Field(description="CSS shape.")
    glyph: str = Field(description="The shape as a character.")
    place: int = Field(description="Place in a stack of labels, from the bottom.")


def results_router(find: Find, media: Callable[[str], Path | None] | None = None) -> APIRouter:
    """Routes of results; files that wait for the end of edits are written when the app stops.

    Args:
        find: The folder (or timeline in JSON) of an analysis; raises a problem if there is none.
        media: Its recording, where that is not next to the results.
    """
    editing = Editing()

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        yield
        await run_in_threadpool(editing.close)

    router = APIRouter(prefix="/v1/analyses/{id}", tags=["results"], lifespan=lifespan)
    _reading(router, lambda name: editing.open(find(name)))
    _recording(router, lambda name: editing.open(find(name)), media or (lambda _: None))
    _correcting(router, find, editing)
    _comparing(router, lambda name: editing.open(find(name)))
    return router


def _reading(router: APIRouter, open_: Callable[[str], Opened]) -> None:
    @router.get("/timeline.{name}", response_class=Response)
    def timeline(analysis: Id, name: str, what: Annotated[View, Query()]) -> Response:
        """The results in a format of `merc export`; json and html hold both layers unless one is named."""
        opened = open_(analysis)
        masks = Masks(what.pseudonyms, what.anonymise, tuple(filter(None, map(str.strip, what.without.split(",")))))
        try:
            wanted = Export((name,), what.layer, masks)
        except UnknownName as error:
            raise Problem(404, str(error)) from error
        stem = "recording" if what.anonymise else Path(opened.results.timeline.recording.name).stem
        if name == "json" and what == View():
            return _named(opened.results.path.read_bytes(), stem, ".json")
        return _download(opened.results.timeline, wanted, stem)

    @router.get("/report", response_class=HTMLResponse)
    def page(analysis: Id) -> HTMLResponse:
        """The report of both layers as a page."""
        return HTMLResponse(report.render(open_(analysis).results.timeline))

    @router.get("/labels")
    def labels(analysis: Id) -> list[Look]:
        """The labels that can be set, and how pages show them."""
        names = open_(analysis).results.timeline.labels
        order, found = stacking(names), looks(names)
        return [Look(name=name, **asdict(found[name]), place=order.index(at)) for at, name in enumerate(names)]

    @router.get("/edits")
    def changes(analysis: Id, response: Response) -> Outcome:
        """Everything that people changed, and what differs from the predicted layer; the ETag names this state."""
        opened = open_(analysis)
        predicted = replace(opened.results.timeline, edits=())
        before = Opened(replace(opened.results, timeline=predicted), predicted, opened.tag)
        return _outcome(response, before, opened)


def _recording(router: APIRouter, open_: Callable[[str], Opened], media: Callable[[str], Path | None]) -> None:
    @router.get("/media", response_class=FileResponse)
    def recording(analysis: Id) -> FileResponse:
        """The recording, also in ranges of bytes."""
        opened = open_(analysis)
        path = media(analysis) or beside(opened.results.folder, opened.results.timeline.recording.name)
        if path is None:
            raise Problem(
                404, f"the recording of '{shown(analysis)}' is not next to its results: put it there, or name its path"
            )
        return _Media(path, media_type=_kind(path), content_disposition_type="inline")


def _correcting(router: APIRouter, find: Find, editing: Editing) -> None:
    @router.patch("/utterances/{n}")
    def correct(analysis: Id, n: str, correction: Correction, response: Response, match: IfMatch = None) -> Outcome:
        """Correct one utterance, given by its id or number."""

        def changes(view: Timeline) -> list[Change]:
            try:
                name = utterance_id(view, n)
            except InputError as error:
                raise Problem(404, str(error)) from error
            return correction.changes(view, name)

        return _outcome(response, *editing.edit(find(analysis), changes, by=correction.by, tag=match))

    @router.post("/edits")
    def edit(analysis: Id, edits: Edits, response: Response, match: IfMatch = None) -> Outcome:
        """Make any changes, such as renaming a speaker, together: all of them or none."""
        return _outcome(response, *editing.edit(find(analysis), lambda _: edits.changes, by=edits.by, tag=match))

    @router.delete("/edits/last")
    def undo(analysis: Id, response: Response, match: IfMatch = None) -> Outcome:
        """Take back the last edit, and those that were made together with it."""
        return _outcome(response, *editing.undo(find(analysis), tag=match))


def _comparing(router: APIRouter, open_: Callable[[str], Opened]) -> None:
    @router.get("/agreement")
    def with_model(analysis: Id, unlabelled: bool = False, by_hand: bool = False) -> dict[str, Any]:
        """Agreement of the corrected labels with the predicted ones: Cohen's kappa, Krippendorff's alpha."""
        opened = open_(analysis)
        other = replace(opened.results.timeline, edits=())
        return agreement(opened.corrected, other, unlabelled=unlabelled, by_hand=(by_hand, False)).record()

    @router.post("/agreement")
    def with_other(
        analysis: Id,
        other: Annotated[dict[str, Any], Body(description="The timeline.json of another annotator.")],
        unlabelled: bool = False,
        by_hand: bool = False,
    ) -> dict[str, Any]:
        """Agreement with another annotator: Cohen's kappa, Krippendorff's alpha."""
        one, two = open_(analysis).corrected, _timeline(other).corrected
        return agreement(one, two, unlabelled=unlabelled, by_hand=(by_hand, by_hand)).record()


class _Media(FileResponse):
    """A file in ranges of bytes; a range that it does not have is a problem document as other errors are."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with the file."""

        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (400, 416):
                given, size = Headers(scope=scope)["range"], Path(self.path).stat().st_size
                raise Problem(
                    message["status"],
                    f"range is '{shown(given, 40)}': expected bytes=FIRST-LAST of the {size} that the recording has",
                    {"Content-Range": f"bytes */{size}"},
                )
            await send(message)

        await super().__call__(scope, receive, checked)


def _kind(path: Path) -> str:
    """The media type of a recording; never one that a browser would run, whatever its name says."""
    kind = mimetypes.guess_type(path.name)[0] or ""
    return kind if kind.startswith(("audio/", "video/")) else "application/octet-stream"


def beside(folder: Path, name: str) -> Path | None:
    """The recording of results: in their folder or beside it, as sound or video; None if it is not there.

    The name comes from a file that anybody may have written, so it must be that of a plain file of the same folder.
    """
    kind = mimetypes.guess_type(name)[0] or ""
    if Path(name).name != name or not kind.startswith(("audio/", "video/")):
        return None
    for place in (folder, folder.parent):
        path = place / name
        if path.is_file() and path.resolve().parent == place.resolve():
            return path
    return None


def _download(timeline: Timeline, what: Export, stem: str) -> Response:
    """One file as it is, several as a zip archive."""
    with tempfile.TemporaryDirectory() as folder:
        paths = export(timeline, Path(folder), what)
        if len(paths) == 1:
            content, suffix = paths[0].read_bytes(), paths[0].suffix
        else:
            content, suffix = _zipped(paths, Path(folder)), ".zip"
    return _named(content, stem, suffix)


def _named(content: bytes, stem: str, suffix: str) -> Response:
    name = quote(f"{stem}{suffix}")
    kind = mimetypes.guess_type(f"x{suffix}")[0] or "application/octet-stream"
    return Response(content, media_type=kind, headers={"Content-Disposition": f"attachment; filename*=utf-8''{name}"})


def _zipped(paths: Sequence[Path], folder: Path) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.relative_to(folder))
    return packed.getvalue()


def _timeline(fields: Mapping[str, Any]) -> Timeline:
    """A timeline that came as the body of a request."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "timeline.json")
        path.write_text(json.dumps(fields), encoding="utf-8")
        found = formats.read(path)
    if not isinstance(found, Timeline):
        raise InputError("the body is a transcript: expected the timeline of an analysis (timeline.json)")
    return found


def _outcome(response: Response, before: Opened, after: Opened) -> Outcome:
    """What is new in the corrected layer, and its state as an ETag."""
    response.headers["ETag"] = f'"{after.tag}"'
    old = {utterance.id: (utterance, prediction) for utterance, prediction in before.corrected}
    new = [pair for pair in after.corrected if old.get(pair[0].id) != pair]
    made = replace(
        after.corrected,
        utterances=tuple(utterance for utterance, _ in new),
        predictions=tuple(prediction for _, prediction in new),
    )
    document = native.document(made)
    one, two = before.results.timeline.edits, after.results.timeline.edits
    edits = native.edits(max(one, two, key=len)[min(len(one), len(two)) :])
    return Outcome(
        utterances=document["utterances"],
        ids=[one.id for one in after.corrected.utterances],
        speakers=document["speakers"],
        edits=edits,
        count=len(two),
    )
