from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as settings_
from hypothesis import strategies as st

from merc.errors import InputError
from merc.server.problems import Problem
from merc.server.queue import Job
from merc.server.settings import Limits, Settings
from merc.server.store import Store, file_name, result_name


def add(store: Store, tmp_path: Path, name: str = "talk.wav") -> Job:
    (given := tmp_path / "given").write_bytes(b"sound")
    store.add(job := Job(name), given, None)
    return job


def test_results_are_there_once_the_job_is_done(store: Store, tmp_path: Path) -> None:
    job = add(store, tmp_path)
    with pytest.raises(Problem, match="is queued: its results come when it is done") as waiting:
        store.find(job.id)
    assert waiting.value.status_code == 409
    claimed = store.queue.claim("w")
    assert claimed is not None
    store.queue.finish(claimed, "talk.merc", lambda: None, recorded=1)
    assert store.find(job.id) == store.folder(job.id) / "talk.merc"
    with pytest.raises(Problem, match="does not exist") as absent:
        store.find("0" * 32)
    assert absent.value.status_code == 404


def test_a_failed_one_says_why(store: Store, tmp_path: Path) -> None:
    job = add(store, tmp_path)
    claimed = store.queue.claim("w")
    assert claimed is not None
    store.queue.fail(claimed, "talk.wav: no speech")
    with pytest.raises(Problem, match=r"failed: talk.wav: no speech"):
        store.find(job.id)


def test_removing_leaves_nothing_but_what_was_named_by_path(store: Store, tmp_path: Path) -> None:
    source = tmp_path / "root" / "talk.wav"
    source.write_bytes(b"sound")
    store.add(named := Job("talk.wav", source=str(source)), source, None)
    assert store.recording(named).read_bytes() == b"sound"
    uploaded = add(store, tmp_path)
    for job in (named, uploaded):
        store.remove(job.id)
    assert list((store.root / "analyses").iterdir()) == []
    assert source.exists()
    with pytest.raises(Problem):
        store.remove(named.id)


def test_a_full_queue_and_a_full_disk(settings: Settings, tmp_path: Path) -> None:
    store = Store(Settings(tmp_path / "a", "Tests", limits=Limits(queued=1, free=0)))
    add(store, tmp_path)
    for refused in (store.room, lambda: add(store, tmp_path)):
        with pytest.raises(Problem, match="1 analyses wait or run") as full:
            refused()
        assert full.value.status_code == 429
        assert full.value.headers == {"Retry-After": "30"}
    assert len(list((store.root / "analyses").iterdir())) == 1
    store = Store(Settings(tmp_path / "b", "Tests", limits=Limits(free=1 << 60)))
    with pytest.raises(Problem, match="are free on the server's disk") as disk:
        store.room()
    assert disk.value.status_code == 507


def test_the_sweeper_removes_what_is_outdated_or_left(tmp_path: Path) -> None:
    store = Store(Settings(tmp_path / "data", "Tests", keep=1e-9))
    waiting, ended = add(store, tmp_path), add(store, tmp_path)
    for _ in range(2):
        claimed = store.queue.claim("w")
        assert claimed is not None
        if claimed.id == ended.id:
            store.queue.fail(claimed, "why")
    left = store.incoming / "upload"
    left.write_bytes(b"x")
    orphan = store.root / "analyses" / ("0" * 32)
    orphan.mkdir()
    for path in (left, orphan, store.folder(waiting.id)):
        os.utime(path, (1, 1))
    assert store.sweep() == [ended.id]
    assert [path.name for path in (store.root / "analyses").iterdir()] == [waiting.id]
    assert not left.exists()


def test_a_data_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be used"):
        Store(Settings(tmp_path / "file", "Tests"))


@settings_(max_examples=50, deadline=None)
@given(st.text(max_size=300))
def test_any_name_is_a_harmless_one(name: str) -> None:
    found = file_name(name, default="recording")
    assert found
    assert "/" not in found
    assert not found.startswith(".")
    assert len(os.fsencode(found)) <= 200
    assert result_name(found) != found
    assert found.isprintable() or not any(ord(one) < 32 for one in found)


def test_a_long_name_keeps_its_extension() -> None:
    assert file_name("ä" * 300 + ".mp4", default="recording").endswith("ä.mp4")
    assert file_name(None, default="recording") == "recording"
