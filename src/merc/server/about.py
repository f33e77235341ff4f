"""What the server is: its purpose and limits, and whether it lives."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from merc import __version__
from merc.report.notice import NOTICE
from merc.server.guards.access import COOKIE, given
from merc.server.settings import Settings


class About(BaseModel):
    """What people have to know before they use the server; shown on its page."""

    version: str
    purpose: str = Field(description="Why recordings are analysed here.")
    notice: str = Field(description="What a predicted label is, and what is forbidden.")
    token_required: bool = Field(description="Whether requests need 'Authorization: Bearer TOKEN'.")
    paths: bool = Field(description="Whether recordings on the server can be named by their path.")
    systems: list[str] = Field(description="Trained runs that may predict in place of merc's models, by name.")
    voices: bool = Field(description="Whether speakers can get the names of voices stored here.")
    upload_bytes: int = Field(description="Largest upload.")
    duration_seconds: float = Field(description="Longest recording.")
    keep_seconds: float | None = Field(description="When an analysis is removed; null: when somebody removes it.")


class Alive(BaseModel):
    """The server answers."""

    status: str = "ok"


def about_router(settings: Settings) -> APIRouter:
    """Routes ``/v1/about``, ``/v1/session`` and ``/healthz``."""
    router = APIRouter(tags=["service"])
    about = About(
        version=__version__,
        purpose=settings.purpose,
        notice=NOTICE,
        token_required=settings.token_file is not None,
        paths=settings.root is not None,
        systems=list(settings.systems),
        voices=settings.voices is not None,
        upload_bytes=settings.limits.upload,
        duration_seconds=settings.limits.duration,
        keep_seconds=settings.keep,
    )

    @router.get("/v1/about", summary="Purpose, notice and limits")
    def read_about() -> About:
        return about

    @router.post("/v1/session", status_code=204, summary="Keep the token as a cookie, for a page's media")
    def begin(request: Request, response: Response) -> None:
        if (token := given(request.headers)) is not None:
            secure = request.url.scheme == "https"
            response.set_cookie(COOKIE, token, httponly=True, samesite="strict", secure=secure)

    @router.delete("/v1/session", status_code=204, summary="Forget the token of the cookie")
    def end(response: Response) -> None:
        response.delete_cookie(COOKIE)

    @router.get("/healthz", summary="Whether the server answers")
    def alive() -> Alive:
        return Alive()

    return router
