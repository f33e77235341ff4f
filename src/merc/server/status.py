"""Whether the server is ready, what it has to work with, and what it has done: for clients and for monitoring."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import BaseModel, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from merc.errors import OutputError
from merc.server.problems import Problem
from merc.server.queue.jobs import Queue
from merc.speech.models import SIZES
from merc.weights import WEIGHTS, present

STATES = ("queued", "running", "done", "failed")


class Ready(BaseModel):
    """Analyses can be done now."""

    status: Literal["ready"] = "ready"
    workers: int = Field(description="Workers whose models are loaded.")


class Model(BaseModel):
    """One pretrained model on the server."""

    id: str
    object: Literal["model"] = "model"
    created: int = Field(default=0, description="0: not known.")
    owned_by: str
    title: str
    licence: str


class Models(BaseModel):
    """The speech recognisers that a request may choose, and the other networks."""

    object: Literal["list"] = "list"
    data: list[Model] = Field(description="Whisper models: what 'model' of a transcription, or 'asr', may be.")
    others: list[Model] = Field(description="Networks that every analysis uses.")


class Meter:
    """What is measured of a server: its own requests, and the jobs of all that share its queue.

    Counts of jobs are read from the queue, so they are right with any number of worker processes and after a restart.

    Args:
        queue: Of the server.
    """

    def __init__(self, queue: Queue) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Jobs(queue))
        labels = ("method", "route", "status")
        self._requests = Counter("merc_http_requests", "Requests answered.", labels, registry=self._registry)
        self._seconds = Histogram(
            "merc_http_request_seconds", "Seconds to the end of an answer.", ("route",), registry=self._registry
        )

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self._registry)

    def around(self, app: ASGIApp) -> ASGIApp:
        """ASGI middleware that measures the requests of an app."""

        async def measured(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                await app(scope, receive, send)
                return
            began, status = time.perf_counter(), 0

            async def noted(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                await send(message)

            try:
                await app(scope, receive, noted)
            finally:
                route = getattr(scope.get("route"), "path", "other")
                self._requests.labels(scope["method"], route, str(status)).inc()
                self._seconds.labels(route).observe(time.perf_counter() - began)

        return measured


class _Jobs(Collector):
    """The figures of a queue."""

    def __init__(self, queue: Queue) -> None:
        self._queue = queue

    def describe(self) -> Iterator[Metric]:
        """Nothing: the registry need not ask the database before the first scrape."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        """Read the queue."""
        counts = self._queue.counts()
        jobs = GaugeMetricFamily("merc_jobs", "Analyses in the queue, by state.", labels=["state"])
        for state in STATES:
            jobs.add_metric([state], counts.get(state, 0))
        yield jobs
        yield GaugeMetricFamily("merc_workers_ready", "Workers whose models are loaded.", self._queue.ready())
        ended = CounterMetricFamily("merc_jobs_ended", "Analyses that ended, by outcome.", labels=["outcome"])
        recorded = CounterMetricFamily("merc_recorded_seconds", "Seconds of recordings analysed.", labels=["outcome"])
        worked = CounterMetricFamily("merc_worked_seconds", "Seconds that analyses took.", labels=["outcome"])
        for outcome, (count, heard, took) in self._queue.totals().items():
            ended.add_metric([outcome], count)
            recorded.add_metric([outcome], heard)
            worked.add_metric([outcome], took)
        yield from (ended, recorded, worked)


def status_router(queue: Queue, meter: Meter) -> APIRouter:
    """Routes ``/readyz``, ``/metrics`` and ``/v1/models``."""
    router = APIRouter(tags=["service"])

    @router.get("/readyz", summary="Whether analyses can be done now")
    def ready() -> Ready:
        try:
            count = queue.ready()
        except OutputError as error:
            raise Problem(503, str(error)) from error
        if not count:
            raise Problem(503, "no worker has loaded its models yet: wait, or look into the server's log")
        return Ready(workers=count)

    @router.get("/metrics", summary="Figures for Prometheus", response_class=PlainTextResponse)
    def metrics() -> Response:
        return Response(meter.text(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/models", summary="Models on the server")
    def models() -> Models:
        whisper = {f"whisper-{size}": size for size in SIZES}
        installed = [weight for weight in WEIGHTS.values() if present(weight.name)]
        found = [
            Model(
                id=whisper.get(weight.name, weight.name),
                owned_by=weight.hub[0].split("/")[0] if weight.hub else "merc",
                title=weight.title,
                licence=weight.licence,
            )
            for weight in installed
        ]
        return Models(
            data=[one for one in found if one.id in SIZES], others=[one for one in found if one.id not in SIZES]
        )

    return router
