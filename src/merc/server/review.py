"""The page on results that lie in a folder: for one person on this machine, behind a link that works once."""

from __future__ import annotations

import hmac
import secrets
import socket
from collections.abc import Mapping
from pathlib import Path

from fastapi import FastAPI, Request, Response
from starlette.middleware.base import RequestResponseEndpoint

from merc.corrections import Results
from merc.errors import InputError
from merc.formats import written
from merc.formats.source import shown
from merc.server import problems
from merc.server.page import Service, page_router
from merc.server.problems import Problem
from merc.server.results import results_router

HOST = "127.0.0.1"


def found(path: Path) -> dict[str, Path]:
    """Results by name: those at a path, or all in a folder.

    Args:
        path: A folder that ``merc analyze`` wrote (NAME.merc), a timeline in JSON, or a folder with several of these
            folders.

    Raises:
        InputError: If there are none.
    """
    if not path.is_dir() or (path / written.TIMELINE).is_file():
        file = Results.locate(path)
        name = file.parent.resolve().name if file.name == written.TIMELINE else file.stem
        return {name.removesuffix(".merc"): path}
    inside = {
        one.name.removesuffix(".merc"): one for one in sorted(path.iterdir()) if (one / written.TIMELINE).is_file()
    }
    if not inside:
        raise InputError(
            f"{path} has no {written.TIMELINE}, nor a folder with one: give a folder that 'merc analyze' wrote"
        )
    return inside


class Door:
    """Lets in the browser that opened the link, and nobody else.

    The link has a token that works once; it is exchanged for a cookie. Requests under another name of the host, or
    sent by another site, are refused.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.token: str | None = secrets.token_urlsafe(24)
        self._session = secrets.token_urlsafe(24)
        self._cookie = f"merc-review-{port}"

    @property
    def link(self) -> str:
        """What to open in the browser."""
        return f"http://{HOST}:{self.port}/?token={self.token}"

    async def __call__(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        """Answer a request, or refuse it."""
        hosts = {f"{HOST}:{self.port}", f"localhost:{self.port}"}
        origin = request.headers.get("origin")
        if request.headers.get("host") not in hosts:
            return problems.response(403, f"this page is at http://{HOST}:{self.port} only")
        if origin is not None and origin.removeprefix("http://") not in hosts:
            return problems.response(403, f"{shown(origin)} is another site: open the link of 'merc review'")
        if _same(request.cookies.get(self._cookie), self._session):
            return await call_next(request)
        if request.url.path == "/" and _same(request.query_params.get("token"), self.token):
            self.token = None
            answer = Response(status_code=303, headers={"Location": "/", "Referrer-Policy": "no-referrer"})
            answer.set_cookie(self._cookie, self._session, httponly=True, samesite="strict")
            return answer
        return problems.response(
            401,
            "this link was used, or is another's: start 'merc review' again for a new one",
            {"WWW-Authenticate": "Cookie"},
        )


def _same(given: str | None, expected: str | None) -> bool:
    return given is not None and expected is not None and hmac.compare_digest(given.encode(), expected.encode())


def review_app(places: Mapping[str, Path], door: Door, *, by: str | None = None, media: Path | None = None) -> FastAPI:
    """The app of ``merc review``.

    Args:
        places: Results by name, as ``found`` gives them.
        door: Who is let in.
        by: Who makes edits, if nobody gives another name.
        media: The recording, where it is not next to the results.
    """

    def find(name: str) -> Path:
        if name not in places:
            raise Problem(404, f"no results '{shown(name)}' are open here: expected {', '.join(places)}")
        return places[name]

    app = FastAPI(title="merc review", docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)
    app.middleware("http")(door)
    app.include_router(page_router(lambda: Service(uploads=False, by=by, results=list(places))))
    app.include_router(results_router(find, lambda _: media))
    return app


def listening() -> socket.socket:
    """A socket on this machine only, at a port that is free."""
    opened = socket.socket()
    opened.bind((HOST, 0))
    opened.listen(128)
    return opened
