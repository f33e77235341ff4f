from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from merc.server.queue import Job, Queue, Workers, workers
from merc.server.queue.tables import Database
from merc.server.settings import Settings
from merc.server.store import Store


def slow(settings: Settings, name: str) -> None:
    """A worker without models: a job takes a quarter of a second, and leaves a line."""
    store = Store(settings)
    while True:
        store.queue.beat(name)
        job = store.queue.claim(name)
        if job is None:
            time.sleep(0.02)
            continue
        time.sleep(0.25)

        def publish(job: Job = job) -> None:
            with (store.root / "effects").open("a") as file:
                file.write(f"{job.id}\n")

        store.queue.finish(job, "x.merc", publish, recorded=1.0)


def test_a_killed_worker_is_replaced_and_its_job_done_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "_work", slow)
    monkeypatch.setattr(workers, "_AGAIN", 0.05)
    settings = Settings(tmp_path, "Tests", workers=2)
    queue = Queue(Database(None, tmp_path))
    jobs = [Job(f"{number}.wav") for number in range(4)]
    for job in jobs:
        queue.add(job, most=99)
    with Workers(settings, queue) as running:
        killed = 0
        until = time.monotonic() + 60
        while queue.unfinished() and time.monotonic() < until:
            if not killed and queue.counts().get("running"):
                os.kill(running.pids[0], signal.SIGKILL)
                killed += 1
            time.sleep(0.05)
        pids = running.pids
    assert killed == 1
    assert [queue.get(job.id).state for job in jobs] == ["done"] * 4  # type: ignore[union-attr]
    effects = (tmp_path / "effects").read_text().split()
    assert sorted(effects) == sorted(job.id for job in jobs), "each effect once"
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
