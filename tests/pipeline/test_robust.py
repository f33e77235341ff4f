"""An analysis that is killed resumes, and the same input gives the same bytes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merc.formats.written import LIST
from tests.pipeline.conftest import ALL_WEIGHTS

COMMAND = [sys.executable, "-m", "merc", "analyze", "--quiet", "--formats", "json"]


def start(recording: Path, out: Path, cache: Path, *, threads: int = 2) -> subprocess.Popen:
    environment = {**os.environ, "MERC_CACHE": str(cache)}
    return subprocess.Popen([*COMMAND, "--threads", str(threads), str(recording), "--out", str(out)], env=environment)


@pytest.fixture(scope="module")
def uninterrupted(short_sample: Path, tmp_path_factory: pytest.TempPathFactory, weight) -> tuple[bytes, float]:
    """The bytes of an analysis that nobody disturbed, and its seconds."""
    weight(*ALL_WEIGHTS)
    folder = tmp_path_factory.mktemp("calm")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MERC_WEIGHTS", _weights())
        begun = time.monotonic()
        assert start(short_sample, folder / "out", folder / "cache").wait() == 0
        took = time.monotonic() - begun
    return (folder / "out" / "timeline.json").read_bytes(), took


def _weights() -> str:
    from merc.weights import folder

    return str(folder("mpnet").parent)


@pytest.mark.parametrize("threads", [1, 4])
def test_the_same_input_gives_the_same_bytes_on_any_number_of_threads_and_beside_a_run_that_is_killed(
    uninterrupted: tuple[bytes, float],
    short_sample: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    threads: int,
) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", _weights())
    other = start(short_sample, tmp_path / "other", tmp_path / "cache", threads=2)
    one = start(short_sample, tmp_path / "out", tmp_path / "cache", threads=threads)
    time.sleep(uninterrupted[1] / 2)
    other.kill()
    assert one.wait() == 0 and other.wait() in (0, -signal.SIGKILL)
    assert (tmp_path / "out" / "timeline.json").read_bytes() == uninterrupted[0]


def test_a_run_that_is_killed_five_times_ends_with_the_same_result(
    uninterrupted: tuple[bytes, float], short_sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_WEIGHTS", _weights())
    calm, took = uninterrupted
    moments = random.Random(29)
    for _ in range(5):
        process = start(short_sample, tmp_path / "out", tmp_path / "cache")
        time.sleep(moments.uniform(0.1, 0.9) * took / 2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left = [path.name for path in (tmp_path / "out").glob("*")] if (tmp_path / "out").exists() else []
        assert set(left) <= {"timeline.json", LIST}  # all of it, where the run ended before it was killed
    assert start(short_sample, tmp_path / "out", tmp_path / "cache").wait() == 0
    assert (tmp_path / "out" / "timeline.json").read_bytes() == calm
