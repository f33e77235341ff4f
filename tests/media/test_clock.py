"""One clock for the sound and the pictures of joined streams."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from merc.media.audio import decode_audio
from merc.media.clock import Clock, scan
from merc.media.container import probe
from merc.media.forward import VideoOptions
from merc.media.samples import RATE, to_float
from merc.media.video import frames

from .making import BASE, STEP, Film, Sound, record, tone

LENGTH = 3.0  # seconds of each part


def joined(folder: Path, suffix: str, *, starts: tuple[float, ...]) -> Path:
    """Parts of three seconds joined byte by byte, each from a time of its own, with a click at its middle picture."""
    data = b""
    for number, start in enumerate(starts):
        silence = np.zeros((1, round(LENGTH * 48000)))
        silence[0, 72000:76800] = tone(700, 0.1)
        film = Film(
            times=[start + n / 25 for n in range(round(25 * LENGTH))],
            codec="libx264" if suffix == "ts" else "mpeg2video",
        )
        codec = "aac" if suffix == "ts" else "mp2"
        part = record(folder / f"part{number}.{suffix}", sound=Sound(silence, codec=codec, start=start), film=film)
        data += part.read_bytes()
    path = folder / f"joined.{suffix}"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("suffix", ["ts", "mpg"])
@pytest.mark.parametrize("starts", [(0.0, 0.0), (5.0, 1.0, 0.0), (0.0, 4000.0), (0.0,)])
def test_sound_and_pictures_of_joined_streams_have_one_clock(
    tmp_path: Path, suffix: str, starts: tuple[float, ...]
) -> None:
    path = joined(tmp_path, suffix, starts=starts)
    found, decoded = probe(path), decode_audio(path)
    assert found.restarts == len(starts) - 1
    assert found.duration == pytest.approx(LENGTH * len(starts), abs=0.4)
    assert decoded.end == pytest.approx(LENGTH * len(starts), abs=0.4)
    loud = np.flatnonzero(np.abs(to_float(decoded.samples[:, 0])) > 0.2) / RATE
    clicks = loud[np.concatenate([[True], np.diff(loud) > 1])]
    assert len(clicks) == len(starts)
    middle = [float(click) + 0.02 for click in clicks]  # inside picture 37 of 75: 1.5 s
    shown = [
        round((float(one.image.mean()) - BASE) / STEP) for one in frames(path, middle, options=VideoOptions(threads=1))
    ]
    assert shown == pytest.approx([37] * len(starts), abs=2)


@dataclass
class Stream:
    index: int


@dataclass
class Packet:
    """Stands for a packet of the decoder library, in seconds."""

    stream: Stream
    pts: int
    time_base: Fraction = Fraction(1, 10)
    duration: int = 10
    dts: int | None = None


def test_streams_restart_at_different_places_of_the_file_and_share_a_shift() -> None:
    sound, picture = Stream(0), Stream(1)
    order = [(sound, 0), (picture, 0), (picture, 20), (sound, 20), (picture, 0), (sound, 30), (picture, 10), (sound, 0)]
    made = [Packet(stream, pts) for stream, pts in order]
    found = scan(made, 0)
    assert found.shifts == {0: (0.0, 4.0), 1: (0.0, 4.0)}
    assert (found.restarts, found.end) == (1, 6.0)
    clock = Clock(found)
    for packet in made:
        clock.place(packet)  # type: ignore[arg-type]
    assert [packet.pts for packet in made] == [0, 0, 20, 20, 40, 30, 50, 40]


def test_without_a_restart_nothing_moves() -> None:
    made = [Packet(Stream(0), pts) for pts in (0, 10, 8, 5000)]  # a packet out of order, a gap of minutes
    found = scan(made, None)
    assert found.restarts == 0 and found.end == 501.0
    clock = Clock(found)
    for packet in made:
        clock.place(packet)  # type: ignore[arg-type]
    assert [packet.pts for packet in made] == [0, 10, 8, 5000]
