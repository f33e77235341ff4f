"""Where the tests find real data and pretrained weights; what is absent is skipped with its reason."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from merc import weights

# how long drawing and an example take depends on the machine, and fails no test
settings.register_profile("merc", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("merc")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Keep what collecting the tests has made out of garbage collections, which analyses ask for after a recording."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def data() -> Path:
    """The folder of real corpora, ``$MERC_DATA``."""
    folder = os.environ.get("MERC_DATA", "")
    if not folder or not Path(folder).is_dir():
        pytest.skip(f"no corpora at '{folder}': set MERC_DATA to the folder of all corpora to run this test")
    return Path(folder)


@pytest.fixture(scope="session")
def weight() -> Callable[..., None]:
    """Skip unless the named weights have been fetched."""

    def need(*names: str) -> None:
        for name in names:
            if not weights.present(name):
                pytest.skip(f"weight '{name}' is absent: run 'merc weights get {name}'")

    return need
