"""The application: routes, and what is around all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.concurrency import run_in_threadpool

from merc import __version__
from merc.errors import MercError
from merc.server import problems
from merc.server.about import about_router
from merc.server.analyses import analyses_router
from merc.server.guards.access import Access
from merc.server.guards.audit import Audit
from merc.server.guards.bodies import Bodies, ReadOut
from merc.server.live.offline import Offline
from merc.server.live.routes import Streams, live_router
from merc.server.page import Service, page_router
from merc.server.results import results_router
from merc.server.settings import Settings
from merc.server.status import Meter, status_router
from merc.server.store import Store
from merc.server.transcriptions import transcriptions_router

DESCRIPTION = (
    "Recordings of conversations in; for each utterance its speaker, words and a predicted label of expression out. "
    "Every error is a problem document (RFC 9457) whose detail says what to do."
)
_SWEEP = 60.0  # seconds between two looks for what is to be removed
_LOG = logging.getLogger(__name__)


def create_app(settings: Settings) -> FastAPI:
    """The service as an ASGI application.

    Args:
        settings: See `Settings`.

    Returns:
        The application; ``app.state.store`` is its `Store`. Its workers are started by ``merc serve``, not by it.

    Raises:
        InputError: the data folder, the token file or the database cannot be used.
    """
    store = Store(settings)
    meter, streams = Meter(store.queue), Streams(settings, Offline(store))

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        sweeper = asyncio.create_task(_sweep(store))
        yield
        sweeper.cancel()
        await run_in_threadpool(streams.close)
        store.database.close()

    app = FastAPI(
        title="merc",
        version=__version__,
        description=DESCRIPTION,
        docs_url=None,  # those pages load scripts from elsewhere
        redoc_url=None,
        lifespan=lifespan,
        responses=problems.RESPONSES,
    )
    app.state.store = store
    problems.install(app)
    app.include_router(about_router(settings))
    app.include_router(status_router(store.queue, meter))
    app.include_router(analyses_router(store))
    app.include_router(results_router(store.find, lambda id_: store.recording(store.get(id_))))
    app.include_router(transcriptions_router(store))
    app.include_router(page_router(lambda: Service(uploads=True, purpose=settings.purpose)))
    app.include_router(live_router(streams))
    app.add_middleware(Bodies, settings.limits)
    app.add_middleware(Access, settings)
    app.add_middleware(Audit, store.root / "audit.jsonl", settings.purpose)
    app.add_middleware(ReadOut)
    app.add_middleware(meter.around)
    return app


async def _sweep(store: Store) -> None:
    """Remove what is outdated, now and then."""
    while True:
        try:
            await run_in_threadpool(store.sweep)
        except (MercError, OSError) as error:
            _LOG.warning("outdated analyses are not removed: %s", error)
        await asyncio.sleep(_SWEEP)
