from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from merc.cache import Cache
from merc.errors import InputError
from merc.pruning import UNKNOWN, entries, prune, shares

DAY = 86400


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with three entries, last used 3, 2 and 1 days ago, and no analysis that runs."""
    monkeypatch.setenv("MERC_CACHE", str(tmp_path))
    cache = Cache(tmp_path / "artefacts")
    for days, (name, kind, recording) in enumerate(
        (("cc", "words", "b.wav"), ("bb", "faces", "a.mp4"), ("aa", "", ""))
    ):
        if kind:
            cache.about(name * 32, kind, recording)
        cache.json(name * 32, lambda days=days: "x" * 100 * (days + 1))
        os.utime(cache.path(name * 32, ".json"), times=(time.time() - (days + 1) * DAY,) * 2)
    return cache.root


def test_entries_are_told_by_kind_and_recording(root: Path) -> None:
    found = entries(root)
    assert [one.kind for one in found] == [UNKNOWN, "faces", "words"], "the least recently used first"
    assert [name for name, *_ in shares(found, "recording")] == [UNKNOWN, "a.mp4", "b.wav"], "the largest first"
    assert shares(found, "kind")[1] == ("faces", 1, found[1].path.stat().st_size)
    assert entries(root / "none") == []


def test_what_was_used_long_ago_goes(root: Path) -> None:
    for dry in (True, False):
        done = prune(root, age=1.5 * DAY, dry_run=dry)
        assert [one.path.stem[:2] for one in done.removed] == ["aa", "bb"]
        assert [one.path.exists() for one in done.removed] == [dry, dry]
    assert done.left == sum(one.bytes for one in entries(root))
    assert [one.kind for one in entries(root)] == ["words"]
    assert (root / "entries.jsonl").read_text().count("\n") == 1
    assert prune(root, age=1.5 * DAY).removed == ()


def test_a_cache_that_is_too_large_loses_the_least_recently_used(root: Path) -> None:
    found = entries(root)
    done = prune(root, size=found[1].bytes + found[2].bytes)
    assert [one.path for one in done.removed] == [found[0].path]
    with pytest.raises(InputError, match="give an age or a size"):
        prune(root)


def test_a_hit_is_a_use(root: Path) -> None:
    Cache(root).json("aa" * 32, lambda: pytest.fail("it is there"))
    assert [one.path.stem[:2] for one in prune(root, age=1.5 * DAY).removed] == ["bb"]


def test_what_a_running_analysis_uses_is_kept(root: Path) -> None:
    other = (
        "from merc.cache import Cache; c = Cache(); c.json('aa' * 32, lambda: 1); print('ready', flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", other], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
        done = prune(root, size=0)
        assert [one.path.stem[:2] for one in done.in_use] == ["aa"]
        assert sorted(one.path.stem[:2] for one in done.removed) == ["bb", "cc"]
        run.kill()  # the lock goes with the process, its file is found dead
    assert len(list((root / ".running").iterdir())) == 1
    assert [one.path.stem[:2] for one in prune(root, size=0).removed] == ["aa"]
    assert list((root / ".running").iterdir()) == []


def test_an_analysis_that_has_ended_holds_nothing(root: Path) -> None:
    cache = Cache()
    cache.json("dd" * 32, lambda: 1)
    assert prune(root, size=0).in_use[0].path.stem == "dd" * 32
    del cache
    assert list((root / ".running").iterdir()) == []
    assert prune(root, size=0).in_use == ()
