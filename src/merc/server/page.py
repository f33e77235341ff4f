"""The page to work in: its own files, a strict content security policy, and what it has to know of the server."""

from __future__ import annotations

import hashlib
import mimetypes
from collections.abc import Callable
from importlib.resources import files

from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field

from merc import __version__
from merc.export import FORMATS
from merc.report import NOTICE
from merc.server.problems import Problem
from merc.web.html import resource

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing but this server is asked, and no script or style but the page's own files is run."""

_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}


class Service(BaseModel):
    """What the page has to know before anything else; it holds no secret and needs no token."""

    uploads: bool = Field(description="Whether recordings can be analysed here.")
    purpose: str | None = Field(default=None, description="Why recordings are analysed here.")
    by: str | None = Field(default=None, description="Who makes edits, if nobody gives another name.")
    results: list[str] = Field(default=[], description="Ids of the results that are open, where nothing is analysed.")
    formats: list[str] = Field(default_factory=lambda: list(FORMATS), description="Formats that are written.")
    notice: str = Field(default=NOTICE, description="What a predicted label is, and what is forbidden.")
    version: str = Field(default=__version__, description="Version of merc.")


def page_router(service: Callable[[], Service]) -> APIRouter:
    """Routes of the page.

    Args:
        service: What the page has to know, at the time of each request.
    """
    assets = _assets()
    router = APIRouter(tags=["page"])

    @router.get("/", response_class=Response, include_in_schema=False)
    def index() -> Response:
        return Response(assets["index.html"], media_type="text/html", headers=_HEADERS)

    @router.get("/static/{name}", response_class=Response, include_in_schema=False)
    def asset(name: str, if_none_match: str | None = Header(None)) -> Response:
        if name not in assets:
            raise Problem(404, f"the page has no file '{name}'")
        tag = f'"{hashlib.sha256(assets[name]).hexdigest()[:32]}"'
        kind = mimetypes.guess_type(name)[0]
        headers = {**_HEADERS, "ETag": tag}
        if if_none_match == tag:
            return Response(status_code=304, headers=headers)
        return Response(assets[name], media_type=kind, headers=headers)

    @router.get("/page.json", include_in_schema=False)
    def about() -> Service:
        return service()

    return router


def _assets() -> dict[str, bytes]:
    """The files of the page by name; its style is that of all pages of merc, then its own."""
    found = {one.name: one.read_bytes() for one in files("merc.server").joinpath("static").iterdir()}
    own = found.pop("app.css")
    return {**found, "style.css": resource("merc.web", "base.css").encode() + b"\n" + own}
