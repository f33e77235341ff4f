"""A server without workers, and a client of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from fastapi import FastAPI
from fastapi.testclient import TestClient

from merc.server.app import create_app
from merc.server.settings import Limits, Settings
from merc.server.store import Store


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "root").mkdir()
    limits = Limits(upload=1 << 20, queued=3, free=0)
    return Settings(tmp_path / "data", "Tests of the server", root=tmp_path / "root", workers=0, limits=limits)


@pytest.fixture
def app(settings: Settings) -> FastAPI:
    return create_app(settings)


@pytest.fixture
def store(app: FastAPI) -> Store:
    found: Store = app.state.store
    return found


@pytest.fixture
def client(app: FastAPI, settings: Settings) -> Iterator[TestClient]:
    with TestClient(app, base_url=settings.url, raise_server_exceptions=False) as found:
        yield found


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of a tone: a recording without speech."""
    path = tmp_path_factory.mktemp("tone") / "tone.wav"
    soundfile.write(path, 0.1 * np.sin(np.arange(16_000) / 10), 16_000)
    return path
