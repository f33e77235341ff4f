"""The cache: entries are complete or absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache, file_hash, key, replacing
from merc.errors import OutputError


def test_a_value_is_made_once_and_read_afterwards(tmp_path: Path) -> None:
    calls = []
    cache = Cache(tmp_path)
    for _ in range(2):
        assert cache.json("aa", lambda: calls.append(1) or {"x": [1, 2.5]}) == {"x": [1, 2.5]}
    assert calls == [1]


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    made = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.zeros(0, np.int16)}
    cache = Cache(tmp_path)
    for _ in range(2):
        got = cache.arrays("bb", lambda: made)
        assert all(np.array_equal(got[name], made[name]) and got[name].dtype == made[name].dtype for name in made)


def test_a_failure_while_making_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    with pytest.raises(ZeroDivisionError):
        cache.json("cc", lambda: 1 / 0)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_replacing_keeps_the_old_file_when_the_new_one_fails(tmp_path: Path) -> None:
    target = tmp_path / "result.txt"
    target.write_text("old")
    with pytest.raises(ValueError, match="half-way"), replacing(target) as temporary:
        temporary.write_text("new")
        raise ValueError("half-way")
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_an_output_error_that_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match=r"cannot write .*result.txt: No space left on device"),
        replacing(tmp_path / "result.txt"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="choose another folder"), replacing(tmp_path / "file" / "x.txt"):
        pass


def test_a_key_depends_on_values_not_on_their_order_in_a_mapping() -> None:
    assert key({"a": 1, "b": 2}) == key({"b": 2, "a": 1}) != key({"a": 1, "b": 3})


def test_the_hash_of_a_file_is_its_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    assert file_hash(tmp_path / "abc").startswith("ba7816bf8f01cfea")


@pytest.mark.parametrize("content", [b"", b"garbage \xff", b'{"a": 1}', b"[1, 2]"])
@pytest.mark.parametrize("kind", ["json", "arrays"])
def test_a_damaged_entry_counts_as_absent_and_is_said(
    tmp_path: Path, kind: str, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    cache = Cache(tmp_path)
    make = {"json": lambda: [[1, 2.5]], "arrays": lambda: {"a": np.arange(3)}}[kind]
    first = getattr(cache, kind)("dd", make)
    (entry,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    whole = entry.read_bytes()
    for damaged in (content, whole[:-1], whole[:-4] + b"9999"):
        entry.write_bytes(damaged)
        caplog.clear()
        assert str(getattr(cache, kind)("dd", make)) == str(first)
        assert entry.read_bytes() == whole
        assert f"cache entry {entry} is damaged" in caplog.text


def test_pickled_arrays_are_not_run(tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    path = cache.path("ee", ".npz")
    path.parent.mkdir()
    with path.open("wb") as file:
        np.savez(file, a=np.array([{"x": 1}], dtype=object))
    assert cache.arrays("ee", lambda: {"a": np.arange(2)})["a"].tolist() == [0, 1]


def test_a_folder_that_cannot_be_written_to_is_read_and_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    Cache(tmp_path).json("aa", lambda: "stored")

    def refuse(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    cache = Cache(tmp_path)
    assert cache.json("aa", lambda: "made") == "stored"
    assert [cache.json(name, lambda: "made") for name in ("bb", "cc")] == ["made", "made"]
    assert caplog.text.count("intermediate results are not stored") == 1


def test_a_file_in_the_place_of_the_cache(tmp_path: Path) -> None:
    (tmp_path / "artefacts").write_text("")
    assert Cache(tmp_path / "artefacts").json("aa", lambda: 1) == 1


def test_clear_empties_what_a_link_leads_to(tmp_path: Path) -> None:
    Cache(tmp_path / "real").json("aa", lambda: 1)
    (tmp_path / "artefacts").symlink_to(tmp_path / "real")
    Cache(tmp_path / "artefacts").clear()
    assert list((tmp_path / "real").iterdir()) == []


def test_clear_says_what_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Cache(tmp_path).json("aa", lambda: 1)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr("os.unlink", refuse)
    with pytest.raises(OutputError, match=r"cannot remove .*aa\.json \(Operation not permitted\).*; check who owns"):
        Cache(tmp_path).clear()


def test_a_file_is_on_the_disk_before_it_has_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[bytes, bool]] = []
    target = tmp_path / "result.txt"
    monkeypatch.setattr("os.fsync", lambda file: synced.append((os.pread(file, 9, 0), target.exists())))
    with replacing(target) as temporary:
        temporary.write_text("new")
    assert synced == [(b"new", False)]
    Cache(tmp_path).json("aa", lambda: 1)
    assert len(synced) == 1, "entries of the cache are sealed instead"
