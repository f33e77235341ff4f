"""Small recordings for the tests, made by code: tones for sound, pictures whose brightness is their number."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

STEP, BASE = 4, 20  # brightness of picture n is BASE + STEP * n


@dataclass(frozen=True)
class Sound:
    samples: np.ndarray  # float (channels, samples) in [-1, 1)
    rate: int = 48000
    codec: str = "aac"
    layout: str = "mono"
    start: float = 0.0


@dataclass(frozen=True)
class Film:
    times: Sequence[float] = tuple(n / 25 for n in range(50))
    codec: str = "libx264"
    size: tuple[int, int] = (64, 48)
    options: dict[str, str] = field(default_factory=dict)
    corner: bool = False  # the upper left quarter is white, the rest black
    moving: bool = False  # a moving texture instead of plain brightness, so that packets are large


def tone(frequency: float, seconds: float, *, rate: int = 48000, amplitude: float = 0.5) -> np.ndarray:
    return amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)


def record(path: Path, *, sound: Sound | None = None, film: Film | None = None, **options: str) -> Path:
    """Write a recording; sound and film are written in pieces of about a second, interleaved by the muxer."""
    with av.open(str(path), "w", options=options) as container:
        voice = None if sound is None else _add_sound(container, sound)
        sight = None if film is None else _add_film(container, film)
        jobs = []
        if sound is not None:
            jobs += [(time, voice, frame) for time, frame in _sound_frames(sound, voice)]
        if film is not None:
            jobs += [(time, sight, frame) for time, frame in _film_frames(film)]
        for _, stream, frame in sorted(jobs, key=lambda job: job[0]):
            container.mux(stream.encode(frame))
        for stream in (voice, sight):
            if stream is not None:
                container.mux(stream.encode(None))
    return path


def _add_sound(container: Any, sound: Sound) -> Any:
    stream = container.add_stream(sound.codec, rate=sound.rate, layout=sound.layout)
    if sound.codec == "vorbis":
        stream.codec_context.options = {"strict": "experimental"}
    return stream


def _sound_frames(sound: Sound, stream: Any) -> list[tuple[float, Any]]:
    frames = []
    for first in range(0, sound.samples.shape[1], 1024):
        piece = np.ascontiguousarray(sound.samples[:, first : first + 1024], dtype=np.float32)
        frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=sound.layout)
        frame.sample_rate, frame.time_base = sound.rate, Fraction(1, sound.rate)
        frame.pts = first + round(sound.start * sound.rate)
        frames.append((sound.start + first / sound.rate, frame))
    return frames


def _add_film(container: Any, film: Film) -> Any:
    options = {"threads": "1"} | film.options
    stream = container.add_stream(film.codec, rate=25, options=options)
    stream.width, stream.height = film.size
    stream.pix_fmt = "yuvj420p" if film.codec == "mjpeg" else "yuv420p"
    regular = all(abs(time * 25 - round(time * 25)) < 1e-6 for time in film.times)
    stream.codec_context.time_base = Fraction(1, 25) if regular else Fraction(1, 1000)
    return stream


def _film_frames(film: Film) -> list[tuple[float, Any]]:
    width, height = film.size
    regular = all(abs(time * 25 - round(time * 25)) < 1e-6 for time in film.times)
    clock = 25 if regular else 1000
    frames = []
    texture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    for number, time in enumerate(film.times):
        image = np.full((height, width, 3), min(255, BASE + STEP * number), np.uint8)
        if film.corner:
            image[:] = 0
            image[: height // 2, : width // 2] = 255
        if film.moving:
            image = np.roll(texture, 3 * number, axis=1)
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame.pts, frame.time_base = round(time * clock), Fraction(1, clock)
        frames.append((time, frame))
    return frames


def number(image: np.ndarray) -> int:
    """Which picture of a film this is, from its brightness."""
    return round((float(image.mean()) - BASE) / STEP)


def turned(path: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Set the display matrix (a, b, c, d) of the first track of an mp4 file."""
    data = bytearray(path.read_bytes())
    start = data.find(b"tkhd") + 4 + 4 + 20 + 16
    a, b, c, d = (value << 16 for value in matrix)
    data[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def cut(path: Path, share: float) -> Path:
    """Keep the first share of a file's bytes."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    return path


def spoil(path: Path, *, kind: str, between: tuple[float, float]) -> Path:
    """Overwrite the packets of one stream kind whose time lies between two seconds."""
    with av.open(str(path)) as container:
        stream = next(s for s in container.streams if s.type == kind)
        places = [
            (p.pos, p.size)
            for p in container.demux(stream)
            if p.size and between[0] <= float(p.pts * p.time_base) < between[1]
        ]
    data, noise = bytearray(path.read_bytes()), np.random.default_rng(1)
    for position, size in places:
        data[position + 6 : position + size] = noise.integers(0, 256, size - 6, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    return path
