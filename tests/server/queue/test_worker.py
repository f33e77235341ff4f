from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from merc.conversation import Prediction, Recording, Segment, Timeline, Utterance
from merc.errors import InputError, MediaError
from merc.server.queue import Job, worker
from merc.server.queue.worker import Stopped, Worker
from merc.server.settings import Limits, Settings
from merc.server.store import Store


def timeline(name: str) -> Timeline:
    recording = Recording(name, "0" * 64, duration=2.0, has_audio=True, has_video=False)
    joy = Prediction({"joy": 0.75, "neutral": 0.25}, "joy", 0.75, abstained=False)
    return Timeline(recording, (Utterance("u1", "Ann", "How nice!", Segment(0.5, 1.5)),), (joy,))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(tmp_path / "data", "Tests", root=tmp_path, limits=Limits(free=0, duration=5.0))


@pytest.fixture
def working(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[..., Timeline]], Worker]:
    """A worker whose analysis is a function."""

    def make(analyse: Callable[..., Timeline]) -> Worker:
        class Recognizer:
            def __init__(self, *_: object, **__: object) -> None: ...

            def load_reader(self) -> None: ...

            def analyze(self, path: Path, **named: object) -> Timeline:
                return analyse(path, **named)

        monkeypatch.setattr(worker, "Recognizer", Recognizer)
        return Worker(settings, "w")

    return make


def add(store: Store, tone: Path, tmp_path: Path) -> Job:
    given = tmp_path / "given.wav"
    given.write_bytes(tone.read_bytes())
    store.add(job := Job("talk.wav"), given, None)
    return job


def test_results_are_read_where_the_job_says(
    working: Callable[..., Worker], tone: Path, tmp_path: Path, settings: Settings
) -> None:
    def analyse(path: Path, *, progress: Callable[[str, float, float], None], **_: object) -> Timeline:
        for done in range(1000):
            progress("decode", done, 1000)
        progress("decode", 1000, 1000)
        return timeline(path.name)

    one = working(analyse)
    job = add(one.store, tone, tmp_path)
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    folder = one.store.find(job.id)
    assert folder.name == "talk.merc"
    assert (folder / "timeline.json").exists()
    assert sorted(path.name for path in folder.parent.iterdir()) == [".transcript", "talk.merc", "talk.wav"]
    progress = [event.data for event in one.store.queue.events(job.id) if event.kind == "progress"]
    assert progress[-1] == {"stage": "decode", "done": 1000, "total": 1000}
    assert len(progress) < 10, "progress is written seldom"


def test_a_reason_is_kept(working: Callable[..., Worker], tone: Path, tmp_path: Path) -> None:
    def analyse(path: Path, **_: object) -> Timeline:
        raise MediaError(f"{path.name}: no speech")

    one = working(analyse)
    job = add(one.store, tone, tmp_path)
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    assert one.store.get(job.id).reason == "talk.wav: no speech"


def test_a_fault_fails_its_job_alone(working: Callable[..., Worker], tone: Path, tmp_path: Path) -> None:
    def analyse(path: Path, **_: object) -> Timeline:
        raise TypeError("odd")

    one = working(analyse)
    job = add(one.store, tone, tmp_path)
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    assert one.store.get(job.id).reason == "TypeError: odd; merc did not expect this"


def test_stored_voices_are_those_of_the_server(tmp_path: Path, working: Callable[..., Worker]) -> None:
    one = working(lambda path, **_: timeline(path.name))
    one.settings = replace(one.settings, voices=tmp_path / "voices.json")
    assert one._options(Job("talk.wav")).voices is None
    assert one._options(Job("talk.wav", {"voices": True})).voices == tmp_path / "voices.json"


def test_systems_are_those_that_the_server_offers(tmp_path: Path, working: Callable[..., Worker]) -> None:
    one = working(lambda path, **_: timeline(path.name))
    one.settings = replace(one.settings, systems={"clinic": tmp_path / "fold"})
    assert one._options(Job("talk.wav")).system is None
    assert one._options(Job("talk.wav", {"system": "clinic"})).system == tmp_path / "fold"
    with pytest.raises(InputError, match="system 'other' is not offered by this server: expected one of clinic"):
        one._options(Job("talk.wav", {"system": "other"}))


def test_a_long_recording_is_refused(working: Callable[..., Worker], tmp_path: Path) -> None:
    import numpy as np
    import soundfile

    long = tmp_path / "long.wav"
    soundfile.write(long, np.zeros(6 * 8000), 8000)
    one = working(lambda path, **_: timeline(path.name))
    job = add(one.store, long, tmp_path)
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    assert "this server takes up to" in str(one.store.get(job.id).reason)


def test_a_removed_analysis_leaves_nothing(working: Callable[..., Worker], tone: Path, tmp_path: Path) -> None:
    def analyse(path: Path, *, progress: Callable[[str, float, float], None], **_: object) -> Timeline:
        one.store.remove(job.id)
        (one.store.folder(job.id) / ".cache").mkdir(parents=True)  # a stage that was still running
        progress("decode", 1, 1)
        raise AssertionError("the analysis was not stopped")

    one = working(analyse)
    job = add(one.store, tone, tmp_path)
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    assert not one.store.folder(job.id).exists()


def test_a_worker_that_ends_gives_its_job_back(working: Callable[..., Worker], tone: Path, tmp_path: Path) -> None:
    def analyse(path: Path, *, progress: Callable[[str, float, float], None], **_: object) -> Timeline:
        one._ending.set()
        progress("decode", 1, 2)
        raise AssertionError("the analysis was not stopped")

    one = working(analyse)
    job = add(one.store, tone, tmp_path)
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    found = one.store.get(job.id)
    assert (found.state, found.attempts) == ("queued", 0)


def test_a_link_that_leads_elsewhere_by_now_is_refused(
    working: Callable[..., Worker], tone: Path, tmp_path: Path
) -> None:
    one = working(lambda path, **_: timeline(path.name))
    source = tmp_path / "source.wav"
    source.write_bytes(tone.read_bytes())
    one.store.add(job := Job("source.wav", source=str(source)), source, None)
    source.unlink()
    source.symlink_to("/etc/passwd")
    claimed = one.store.queue.claim("w")
    assert claimed is not None
    one.work(claimed)
    assert "expected a file below the server's root folder" in str(one.store.get(job.id).reason)


def test_a_stopped_job_says_so(working: Callable[..., Worker]) -> None:
    one = working(lambda path, **_: timeline(path.name))
    one.check()
    one._lost.set()
    with pytest.raises(Stopped):
        one.check()


def test_a_worker_lives_while_it_works(working: Callable[..., Worker], monkeypatch: pytest.MonkeyPatch) -> None:
    one = working(lambda path, **_: timeline(path.name))
    thread = threading.Thread(target=one._live, daemon=True)
    thread.start()
    until = time.monotonic() + 5
    while one.store.queue.ready() == 0 and time.monotonic() < until:
        time.sleep(0.02)
    assert one.store.queue.ready() == 1
