"""One shard: what is written is read, row by row or whole, and each kind of damage is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.errors import FormatError
from merc.features import shard

ROWS = (("a", np.arange(6, dtype=np.float32).reshape(2, 3), None), ("b", None, "no face"), ("c", np.ones((1, 3)), None))


def written(folder: Path) -> Path:
    shard.write(folder, 7, [(name, None if v is None else v.astype("float32"), why) for name, v, why in ROWS], **KIND)
    (path,) = shard.paths(folder)
    return path


KIND = {"shape": (3,), "dtype": "float32"}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = written(tmp_path)
    one = shard.read(path)
    assert (one.number, one.ids, one.counts) == (7, ("a", "b", "c"), (2, 0, 1)) and one.reasons == {"b": "no face"}
    np.testing.assert_array_equal(one.values(), np.concatenate([ROWS[0][1], ROWS[2][1]]))
    np.testing.assert_array_equal(one.rows(1, 3), one.values()[1:3])
    assert shard.check(path, **KIND) == (["a", "b", "c"], [])
    assert [found.path for found in shard.shards(tmp_path)] == [path]


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    assert written(tmp_path / "x").read_bytes() == written(tmp_path / "y").read_bytes()


def test_other_shapes_and_types_are_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    (found,) = shard.check(path, shape=(4,), dtype="float16")[1]
    assert found == "holds float32 rows of shape (3,), expected float16 of (4,)"


def test_damage_is_named(tmp_path: Path) -> None:
    path = written(tmp_path)
    content = bytearray(path.read_bytes())
    content[-2] ^= 1
    path.write_bytes(content)
    assert any("its content is not what was written" in problem for problem in shard.check(path, **KIND)[1])
    path.write_bytes(content[:-9])
    with pytest.raises(FormatError, match="cannot be read as a shard .*: remove it and run 'merc prepare' again"):
        shard.read(path)
