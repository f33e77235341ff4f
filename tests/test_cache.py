"""The cache: entries are complete or absent."""

from __future__ import annotations

import errno
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
