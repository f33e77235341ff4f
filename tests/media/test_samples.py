"""Samples on disk: files without names, holes for silence, pages that are released."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.errors import MediaError, OutputError
from merc.media.samples import BLOCK, Sink, blocks, read_audio, release, to_float, to_int16


def stored(folder: Path, *parts: np.ndarray) -> np.ndarray:
    with Sink(folder) as sink:
        for part in parts:
            sink.write(part)
        return sink.read()


def test_what_was_written_is_read_and_no_file_stays(tmp_path: Path) -> None:
    one, two = np.arange(8, dtype=np.int16).reshape(4, 2), np.full((3, 2), 7, np.int16)
    silence = np.zeros((5, 2), np.int16)
    samples = stored(tmp_path, silence, one, silence, two, silence)
    np.testing.assert_array_equal(samples, np.concatenate([silence, one, silence, two, silence]))
    assert list(tmp_path.iterdir()) == []
    assert not samples.flags.writeable


def test_nothing_written_is_nothing_read(tmp_path: Path) -> None:
    assert stored(tmp_path).shape == (0, 1)


def test_a_folder_that_is_not_there_is_an_output_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"nowhere: the decoded sound cannot be stored there \(No such file"):
        stored(tmp_path / "nowhere", np.ones((1, 1), np.int16))


def test_blocks_cover_all_samples() -> None:
    samples = np.arange(BLOCK + 3, dtype=np.int32).astype(np.int16)[:, None]
    np.testing.assert_array_equal(np.concatenate(list(blocks(samples))), samples)


def test_to_int16_clips() -> None:
    assert to_int16(np.array([1e9, -1e9, 0.6], np.float32)).tolist() == [32767, -32768, 1]


def test_to_float_stays_below_one() -> None:
    ends = to_float(np.array([-32768, 0, 32767], np.int16))
    assert ends.dtype == np.float32 and ends[0] == -1 and ends[1] == 0 and 0.9999 < ends[2] < 1


def test_reading_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_text("no")
    with pytest.raises(MediaError, match="not decoded audio"):
        read_audio(tmp_path / "a.npy")


def test_released_samples_are_read_again_on_use(tmp_path: Path) -> None:
    samples = stored(tmp_path, np.arange(-20000, 20000, dtype=np.int16)[:, None])[:, 0]
    before = np.array(samples)
    release(samples)
    np.testing.assert_array_equal(samples, before)
    release(before)
