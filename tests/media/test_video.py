"""Frames at requested times: sampling, orientation, size, damage."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merc.conversation import Segment
from merc.errors import InputError, MediaError
from merc.media.video import Frame, VideoOptions, frames, sample_times

from .making import Film, Sound, cut, number, record, tone, turned

ONE = VideoOptions(threads=1)


EXACT = VideoOptions(threads=1, skip_unreferenced=False)


def taken(path: Path, times: list[float], options: VideoOptions = ONE) -> list[Frame]:
    return list(frames(path, times, options=options))


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (10, 13.2, [10.5, 11.5, 12.5]),
        (0, 5, [0.5, 1.5, 2.5, 3.5, 4.5]),
        (0, 5.5, [0.5, 1.5, 2.5, 3.5, 4.5]),
        (0, 2.4, [0.4, 1.2, 2.0]),
        (2, 2.6, [2.1, 2.3, 2.5]),
        (2, 2.3, [2.15]),
    ],
)
def test_sample_times_by_example(start: float, end: float, expected: list[float]) -> None:
    assert sample_times(Segment(start, end)) == pytest.approx(expected)


def test_sample_times_at_another_rate() -> None:
    assert sample_times(Segment(0, 2), per_second=2) == pytest.approx([0.25, 0.75, 1.25, 1.75])


@given(start=st.floats(0, 1e5), duration=st.floats(0.01, 3600), per_second=st.sampled_from([0.2, 0.5, 1.0, 2.0, 5.0]))
def test_sample_times_hold_their_promises(start: float, duration: float, per_second: float) -> None:
    segment = Segment(start, start + duration)
    times = sample_times(segment, per_second=per_second)
    assert times == sorted(set(times))
    assert all(segment.start <= time < segment.end for time in times)
    assert len(times) >= (3 if segment.duration >= 0.4 else 1)
    assert all(b - a <= 1 / per_second + 1e-6 for a, b in pairwise(times))
    assert abs(len(times) - segment.duration * per_second) <= 0.5 + 1e-6 or len(times) <= 3


@pytest.mark.parametrize("rate", [0.0, -1.0, math.inf, math.nan])
def test_sample_times_refuse_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(InputError, match="per_second .*: expected a positive number of pictures a second"):
        sample_times(Segment(0, 1), per_second=rate)


@contextmanager
def same_priority() -> Iterator[None]:
    """SVT-AV1 takes real-time priority where it may, and keeps it: all that runs beside later tests would starve."""
    if not hasattr(os, "sched_setscheduler"):  # macOS, Windows
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


@pytest.mark.parametrize(
    ("name", "codec", "options"),
    [
        ("a.mp4", "libx264", {}),
        ("b.mp4", "libx264", {"g": "12", "bf": "0"}),
        ("c.mp4", "libx264", {"x264-params": "open-gop=1:keyint=15:bframes=3"}),
        ("a.mkv", "libx264", {"preset": "ultrafast"}),
        ("b.mkv", "libx265", {"x265-params": "log-level=none:pools=none:frame-threads=1"}),
        ("a.mov", "mpeg4", {"bf": "2"}),
        ("a.webm", "libvpx", {"cpu-used": "8", "deadline": "realtime"}),
        ("b.webm", "libvpx-vp9", {"cpu-used": "8", "deadline": "realtime"}),
        ("c.webm", "libsvtav1", {"preset": "12"}),
        ("a.avi", "mpeg4", {}),
        ("b.avi", "mjpeg", {}),
    ],
)
def test_every_container_gives_the_pictures_of_its_times(
    tmp_path: Path, name: str, codec: str, options: dict[str, str]
) -> None:
    with same_priority():
        path = record(tmp_path / name, sound=None, film=Film(codec=codec, options=options))
    wanted = [0.0, 0.1, 0.5, 0.52, 1.0, 1.5, 1.9]
    exact = taken(path, wanted, EXACT)
    blur = 1 if codec == "mpeg4" else 0  # its encoder follows small changes of brightness a picture late
    assert [frame.time for frame in exact] == wanted
    for frame in exact:
        assert abs(number(frame.image) - round(frame.actual * 25)) <= blur, frame.actual
        assert abs(frame.actual - frame.time) <= 0.02 + 1e-3
    for frame in taken(path, wanted):
        assert abs(number(frame.image) - round(frame.actual * 25)) <= blur, frame.actual
        assert abs(frame.actual - frame.time) <= 0.25


def test_equal_times_and_many_times(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", film=Film())
    times = sorted([0.5] * 3 + [n / 1000 for n in range(0, 2000, 3)])
    result = taken(path, times)
    assert [frame.time for frame in result] == times
    assert max(abs(frame.actual - frame.time) for frame in result) <= 0.25


def test_a_variable_frame_rate_keeps_its_times(tmp_path: Path) -> None:
    times = [0.0, 0.033, 0.3, 0.31, 0.9, 1.0, 1.7, 1.75, 2.5]
    for name in ("a.mp4", "a.mkv"):
        path = record(tmp_path / name, film=Film(times=times, options={"bf": "0"}))
        result = taken(path, [0.0, 0.31, 0.6, 0.96, 1.4, 1.72, 2.4], EXACT)
        assert [number(frame.image) for frame in result] == [0, 3, 3, 5, 6, 6, 8]
        for frame in result:
            assert frame.actual == pytest.approx(times[number(frame.image)], abs=2e-3)


def test_a_shared_screen_shows_what_is_on_it(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mkv", film=Film(times=[0.001, 8.001, 20.001], options={"bf": "0"}))
    result = taken(path, [3.0, 7.0, 7.9, 12.0, 20.0])
    assert [number(frame.image) for frame in result] == [0, 0, 1, 1, 2]


def test_pictures_that_start_late(tmp_path: Path) -> None:
    film = Film(times=[1 + n / 25 for n in range(25)])
    path = record(tmp_path / "a.mkv", sound=Sound(tone(440, 2)[None]), film=film)
    pictures = frames(path, [0.2, 0.8, 1.5], options=EXACT)
    assert [(frame.time, number(frame.image)) for frame in pictures] == [(0.8, 0), (1.5, 12)]
    assert pictures.lost == "a.mkv: 1 of 3 requested frames are missing"


@pytest.mark.parametrize(
    ("matrix", "shape", "corner"),
    [
        ((1, 0, 0, 1), (48, 64, 3), (0, 0)),
        ((0, 1, -1, 0), (64, 48, 3), (0, 1)),
        ((-1, 0, 0, -1), (48, 64, 3), (1, 1)),
        ((0, -1, 1, 0), (64, 48, 3), (1, 0)),
        ((-1, 0, 0, 1), (48, 64, 3), (0, 1)),
        ((0, 1, 1, 0), (64, 48, 3), (0, 0)),
    ],
)
def test_pictures_are_upright(
    tmp_path: Path, matrix: tuple[int, int, int, int], shape: tuple[int, ...], corner: tuple[int, int]
) -> None:
    path = turned(record(tmp_path / "a.mp4", film=Film(corner=True)), matrix)
    image = taken(path, [0.5])[0].image
    assert image.shape == shape and image.dtype == np.uint8 and image.flags.c_contiguous
    rows, columns = shape[0] // 4, shape[1] // 4
    bright = {(y, x): int(image[rows + 2 * rows * y, columns + 2 * columns * x].mean()) for y in (0, 1) for x in (0, 1)}
    assert [place for place, value in bright.items() if value > 200] == [corner]


def test_height_scales_down_and_never_up(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", film=Film(corner=True))
    assert next(frames(path, [0.5], height=24, options=ONE)).image.shape == (24, 32, 3)
    assert next(frames(path, [0.5], height=480, options=ONE)).image.shape == (48, 64, 3)
    turned(path, (0, 1, -1, 0))
    assert next(frames(path, [0.5], height=32, options=ONE)).image.shape == (32, 24, 3)


def test_pixels_become_square(tmp_path: Path) -> None:
    path = record(tmp_path / "b.mkv", film=Film(options={"x264-params": "sar=2/1"}))
    assert next(frames(path, [0.5], options=ONE)).image.shape == (48, 128, 3)


def test_a_cut_file_yields_what_it_has(tmp_path: Path) -> None:
    film = Film(times=[n / 25 for n in range(250)], size=(160, 120))
    path = cut(record(tmp_path / "a.mp4", film=film, movflags="faststart"), 0.7)
    pictures = frames(path, [n + 0.5 for n in range(10)], options=ONE)
    found = list(pictures)
    assert 2 <= len(found) < 10
    assert [frame.time for frame in found] == [n + 0.5 for n in range(len(found))]
    assert pictures.lost is not None
    assert pictures.lost.startswith(f"a.mp4: {10 - len(found)} of 10 requested frames are missing; the last ")
    assert pictures.lost.endswith("s of 10.0 s of video could not be decoded (the file is truncated)")


def test_nothing_is_lost_in_a_whole_file(tmp_path: Path) -> None:
    pictures = frames(record(tmp_path / "a.mp4", film=Film()), [0.5, 1.99], options=ONE)
    assert len(list(pictures)) == 2
    assert pictures.lost is None


def test_times_past_the_end_yield_nothing(tmp_path: Path) -> None:
    pictures = frames(record(tmp_path / "a.mp4", film=Film()), [1.0, 9.0], options=ONE)
    assert [frame.time for frame in pictures] == [1.0]
    assert pictures.lost == "a.mp4: 1 of 2 requested frames are missing"


def test_sound_alone_is_refused_on_the_call(tmp_path: Path) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 1)[None], codec="pcm_s16le"))
    with pytest.raises(MediaError, match=r"a\.wav: has no video; .*or only its audio"):
        frames(path, [0.5])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([1.0, 0.5], r"requested time 0\.5 s at index 1 comes after 1\.0 s; expected rising times; sort them"),
        ([-0.1], r"requested time -0\.1 s at index 0: expected seconds from the start"),
        ([math.nan], "requested time nan s at index 0"),
    ],
)
def test_times_are_checked(tmp_path: Path, times: list[float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        frames(tmp_path / "a.mp4", times)


def test_no_times_give_no_pictures_and_progress_is_told(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", film=Film(times=[n / 25 for n in range(100)]))
    assert list(frames(path, [])) == []
    told: list[float] = []
    list(frames(path, [3.9], on_seconds=told.append, options=ONE))
    assert told == sorted(told) and 2 <= len(told) <= 4


def test_stopping_early_closes_the_file(tmp_path: Path) -> None:
    pictures = frames(record(tmp_path / "a.mp4", film=Film()), [0.5, 1.5], options=ONE)
    next(pictures)
    pictures.close()
    assert list(pictures) == []


def test_grey_times_give_brightness_each_frame_once(tmp_path: Path) -> None:
    path = record(tmp_path / "a.mp4", film=Film([n / 25 for n in range(75)]))
    found = list(frames(path, [1.0, 2.0], grey=[0.96, 1.0, 1.52, 1.525, 1.53, 2.4], options=EXACT))
    assert [frame.time for frame in found] == [0.96, 1.0, 1.52, 2.0, 2.4], "a time in both lists gives colours, once"
    coloured = {frame.time: frame for frame in frames(path, [0.96, 1.0, 1.52, 2.0, 2.4], options=EXACT)}
    for frame in found:
        full = coloured[frame.time].image
        assert frame.image.ndim == (3 if frame.time in (1.0, 2.0) else 2) and frame.image.shape[:2] == full.shape[:2]
        if frame.image.ndim == 2:
            assert np.abs(frame.image - full.astype(float) @ [0.299, 0.587, 0.114]).mean() < 3
    with pytest.raises(InputError, match="expected rising times; sort them first"):
        frames(path, [1.0], grey=[2.0, 1.5])
