"""The application: routes, their order, and what is around all of them."""

from __future__ import annotations

from fastapi import FastAPI

from merc import __version__
from merc.server import about, problems
from merc.server.settings import Settings

DESCRIPTION = (
    "Recordings of conversations in; for each utterance its speaker, words and a predicted label of expression out. "
    "Every error is a problem document (RFC 9457) whose detail says what to do."
)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: See `Settings`.

    Returns:
        The application. Its workers are started by ``merc serve``, not by it.
    """
    app = FastAPI(
        title="merc",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        responses={"default": {"model": problems.ProblemDocument, "description": "Refused or failed, with the reason"}},
    )
    problems.install(app)
    app.include_router(about.about_router(settings))
    return app
