"""Forward decoding: skipping changes no frame, and damage is detected."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.media.video import Frame, VideoOptions, frames

from .making import Film, record, spoil

ONE = VideoOptions(threads=1)


EXACT = VideoOptions(threads=1, skip_unreferenced=False)


def taken(path: Path, times: list[float], options: VideoOptions = ONE) -> list[Frame]:
    return list(frames(path, times, options=options))


def test_skipping_what_is_not_wanted_changes_no_picture(tmp_path: Path) -> None:
    film = Film(times=[n / 25 for n in range(500)], options={"g": "25"}, size=(32, 32))
    path = record(tmp_path / "a.mp4", film=film)
    wanted = [0.3, 0.9, 1.0, 7.0, 7.02, 13.99, 19.5]
    plain = VideoOptions(threads=1, skip_unreferenced=False, skip_unwanted=False)
    for options in (EXACT, VideoOptions(threads=2, skip_unreferenced=False)):
        for ours, theirs in zip(taken(path, wanted, options), taken(path, wanted, plain), strict=True):
            assert ours.actual == theirs.actual
            assert np.array_equal(ours.image, theirs.image)


def test_the_number_of_threads_changes_no_picture(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", film=Film())
    for one, two in zip(taken(path, [0.5, 1.5]), taken(path, [0.5, 1.5], VideoOptions(threads=2)), strict=True):
        assert one.actual == two.actual and np.array_equal(one.image, two.image)


def test_where_skipping_leaves_wide_gaps_it_is_switched_off(tmp_path: Path) -> None:
    slow = [n * 0.2 for n in range(40)]  # 5 pictures a second, three of four unreferenced
    options = {"bf": "3", "b_strategy": "0", "x264-params": "b-pyramid=none:scenecut=0"}
    path = record(tmp_path / "a.mp4", film=Film(times=slow, options=options))
    result = taken(path, [0.5 + n for n in range(7)])
    assert max(abs(frame.actual - frame.time) for frame in result[2:]) <= 0.101


def test_damage_yields_nothing_until_the_next_keyframe(tmp_path: Path) -> None:
    film = Film(times=[n / 25 for n in range(200)], options={"g": "50", "sc_threshold": "0"}, moving=True)
    path = spoil(record(tmp_path / "a.mp4", film=film), kind="video", between=(2.3, 2.8))
    for options in (ONE, EXACT, VideoOptions(threads=2)):
        pictures = frames(path, [0.5, 1.5, 3.2, 4.5, 5.5], options=options)
        assert [frame.time for frame in pictures] == [0.5, 1.5, 4.5, 5.5]
        assert pictures.lost is not None
        damaged = re.match(
            r"a\.mp4: 1 of 5 requested frames are missing; (\d+) of \d+ video packets are damaged", pictures.lost
        )
        assert damaged is not None and 4 <= int(damaged[1]) <= 35, pictures.lost


def test_options_are_checked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"threads is -1: expected 0 to 64 \(0: one per core\)"):
        VideoOptions(threads=-1)
    with pytest.raises(InputError, match="tolerance is 0: expected more than 0 seconds"):
        VideoOptions(tolerance=0)
    with pytest.raises(InputError, match="height 0: expected at least 1 pixel"):
        frames(tmp_path / "a.mp4", [], height=0)
