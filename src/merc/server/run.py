"""A server as processes: the one that answers, and its workers."""

from __future__ import annotations

import json
import signal
import socket
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from threading import Event

from merc import weights
from merc.errors import InputError
from merc.nn.device import resolve
from merc.server.queue import Workers
from merc.server.settings import Settings
from merc.server.store import Store

NEEDED = ("mpnet", "whisper-base", "silero-vad", "campplus", "segmentation", "mtcnn", "facenet")
"""Weights without which no analysis can be done."""
_PATIENCE = 5  # seconds that open streams are given when the server ends
_UNREAD = 60  # seconds after which a connection ends whose client reads nothing of what it is sent


def server(settings: Settings) -> None:
    """Answer requests, with workers beside, until the process is ended.

    Raises:
        InputError: the settings cannot be used here, or the address is taken.
        WeightError: a weight has not been downloaded.
    """
    _check(settings)
    with _bound(settings) as listening:
        settings = replace(settings, port=listening.getsockname()[1])
        for number in (signal.SIGINT, signal.SIGTERM):  # uvicorn ends by them, and then raises them again
            signal.signal(number, lambda *_: None)
        with Workers(settings, Store(settings).queue):
            import uvicorn  # seconds in which a worker loads its models

            from merc.server.app import create_app
            from merc.server.live.messages import LARGEST

            app = create_app(settings)
            sys.stderr.write(f"merc: serving {settings.url} ({settings.purpose}); Ctrl-C ends it\n")
            options = uvicorn.Config(
                app,
                log_level="warning",
                server_header=False,
                timeout_graceful_shutdown=_PATIENCE,
                ws_max_size=4 * LARGEST,
            )
            uvicorn.Server(options).run(sockets=[listening])


def workers(settings: Settings) -> None:
    """Work through the queue of another server until the process is ended; errors as of `server`."""
    _check(settings)
    ended = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with Workers(settings, Store(settings).queue):
        ended.wait()


def description(settings: Settings) -> str:
    """The OpenAPI document of a server, as JSON."""
    from merc.server.app import create_app

    with tempfile.TemporaryDirectory() as folder:  # nothing of the data folder is described
        app = create_app(replace(settings, data=Path(folder)))
        app.state.store.database.close()
    return json.dumps(app.openapi(), indent=1, ensure_ascii=False) + "\n"


def _check(settings: Settings) -> None:
    weights.require(NEEDED)
    if settings.device not in ("auto", "cpu"):
        resolve(settings.device)


def _bound(settings: Settings) -> socket.socket:
    """A socket that listens where the settings say."""
    try:
        family = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)[0][0]
        listening = socket.create_server((settings.host, settings.port), family=family, backlog=512)
    except OSError as error:
        raise InputError(
            f"cannot listen on {settings.host}, port {settings.port}: {error.strerror}; choose others with --host and "
            "--port"
        ) from error
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux: connections inherit it
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD * 1000)
    return listening
