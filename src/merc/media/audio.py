"""Audio decoding: one forward pass in blocks of about a second, to 16 kHz mono int16 on disk.

Downmix to mono: of two channels the one with more energy over the file is used (the left one if equal), because
recorders often put the voice on one channel, and a mean would halve it; of six channels the third (the centre channel,
which carries the dialogue in 5.1); any other number of channels is averaged with equal weights.

Resampling is soxr's streaming "HQ". It is as fast as FFmpeg's resampler, is flat up to 7.2 kHz (where FFmpeg's default
loses 1 dB) and suppresses 8.1 kHz and above (which FFmpeg's aliases at -13 dB).

The sample at index ``i`` is at ``i / 16000`` seconds of the recording: late starts, lost packets and gaps in the
timestamps become silence; overlaps are trimmed.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from merc.errors import MediaError, OutputError
from merc.media.container import (
    AudioInfo,
    Damage,
    Probe,
    VideoInfo,
    declared_end,
    decode,
    lost_end,
    main_audio,
    opened,
    origin,
    packets,
    probe,
)

__all__ = [
    "RATE",
    "AudioInfo",
    "DecodedAudio",
    "Probe",
    "VideoInfo",
    "decode_audio",
    "probe",
    "read_audio",
    "release",
    "to_float",
]

RATE = 16000  # samples per second of all decoded audio
CENTRE = 2  # index of the centre channel in 5.1: left, right, centre, low frequencies, two surrounds
JITTER = 0.05  # seconds of drift between timestamps and sample count that are tolerated without correction
REWIND = 1.0  # seconds; timestamps that jump back further are a restarted clock, not an overlap: samples are appended
LONGEST_GAP = 600.0  # longest gap, in seconds, that is filled with silence if the file does not state its duration
ABANDONED = 3600.0  # seconds without a write after which the part of an interrupted run is removed
HEADER = 128  # bytes of a .npy header with room for any length
MOST_PLANES = 8  # planes that a decoded frame can point to; reading more is out of bounds in the decoder library

Float = NDArray[np.float32]

_PLANAR = {"u8p": "u1", "s16p": "i2", "s32p": "i4", "s64p": "i8", "fltp": "f4", "dblp": "f8"}


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """Result of ``decode_audio``.

    Args:
        seconds: Duration.
        channel: The downmix: "mono", "louder of 2 (left)", "louder of 2 (right)", "third of 6" or "mean of N".
        lost: Sentence on what could not be decoded, or None.
    """

    seconds: float
    channel: str
    lost: str | None = None


def decode_audio(path: str | Path, target: Path, *, on_seconds: Callable[[float], None] | None = None) -> DecodedAudio:
    """Decode the first audio stream to 16 kHz mono int16.

    Damaged and missing parts become silence.

    Args:
        path: Audio or video file.
        target: The .npy file to write, of shape (samples,); it is renamed into place when complete.
        on_seconds: Called about once per second of audio with the position in seconds.

    Raises:
        MediaError: If the file cannot be read (see ``probe``) or has no audio.
        OutputError: If the target cannot be written.
    """
    name, target = Path(path).name, Path(target)
    with opened(path) as container:
        stream = main_audio(container)
        if stream is None:
            raise MediaError(f"{name}: has no audio; expected an audio stream; use a recording with audio")
        try:
            with _Sink(target) as sink:
                return _decode(container, stream, sink=sink, name=name, on_seconds=on_seconds)
        except OSError as error:
            raise OutputError(f"{target}: cannot be written ({error.strerror}); free space or name another") from error


def read_audio(target: str | Path) -> NDArray[np.int16]:
    """Open a file written by ``decode_audio``.

    Returns:
        A read-only memory map: (samples,) int16 at 16 kHz.

    Raises:
        MediaError: If the file is something else.
    """
    try:
        samples: NDArray[np.int16] = np.load(target, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise MediaError(f"{target}: not decoded audio ({error}); expected a file written by decode_audio") from error
    return samples


def release(samples: NDArray[np.int16]) -> None:
    """Release the resident pages of a memory map of ``read_audio``; they are read again on use.

    Until then they count as memory of the process, which would grow with the recording. No effect on ordinary arrays
    and on platforms without ``madvise``.
    """
    mapped = getattr(samples, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def to_float(samples: NDArray[np.int16]) -> Float:
    """Convert int16 samples to float32 in [-1, 1)."""
    return np.asarray(samples, dtype=np.float32) / np.float32(32768)


def _decode(
    container: Any, stream: Any, *, sink: _Sink, name: str, on_seconds: Callable[[float], None] | None
) -> DecodedAudio:
    damage = Damage()
    end = declared_end(container, stream)
    clock = _Clock(limit=LONGEST_GAP if end is None else end + 1)
    track = _Track(sink)
    reported = 0.0
    for moment, block, rate in _blocks(container, stream, damage):
        for piece in clock.place(moment, block, rate):
            track.add(piece, rate)
            clock.seconds += piece.shape[1] / rate
        if on_seconds is not None and clock.seconds >= reported + 1:
            reported = clock.seconds
            on_seconds(reported)
    if not track.kept:
        raise MediaError(
            f"{name}: cannot decode its {stream.codec_context.name} stream of "
            f"{damage.packets} packets; expected audio; convert it to wav and try again"
        )
    track.flush()
    seconds, channel = sink.finish(track.choice())
    return DecodedAudio(seconds, track.rule(channel), _lost(name, end, clock.heard, damage))


def _lost(name: str, end: float | None, heard: float, damage: Damage) -> str | None:
    parts = [lost_end(end, heard, what="audio")]
    if damage.damaged:
        parts.append(f"{damage.damaged} of {damage.packets} audio packets were damaged and replaced by silence")
    known = [part for part in parts if part is not None]
    return f"{name}: " + "; ".join(known) if known else None


def _blocks(container: Any, stream: Any, damage: Damage) -> Iterator[tuple[float | None, Float, int]]:
    """Decoded audio as (seconds from time zero or None, float32 (channels, samples), samples per second)."""
    context, zero = stream.codec_context, origin(container)

    def tuples(frames: Any) -> Iterator[tuple[float | None, Float, int]]:
        for frame in frames:
            if _too_wide(frame):
                damage.damaged += 1
                continue
            moment = None if frame.pts is None else float(frame.pts * stream.time_base) - zero
            yield moment, _to_planar(frame), frame.sample_rate

    for packet in packets(container, stream, damage):
        yield from tuples(decode(context, packet, damage))
    yield from tuples(decode(context, None, damage))


def _too_wide(frame: Any) -> bool:
    """Whether a frame has more planes than can be read; a damaged packet may decode to 13 or 17 channels."""
    return bool(frame.format.is_planar and frame.layout.nb_channels > MOST_PLANES)


def _to_planar(frame: Any) -> Float:
    """The samples of a PyAV frame as float32 in [-1, 1), shape (channels, samples).

    Planes are counted by the layout: PyAV counts nine in a frame of eight, and its ``to_ndarray`` then crashes the
    process.
    """
    channels = frame.layout.nb_channels
    if frame.format.is_planar:
        planes = frame.planes[:channels]
        kind = np.dtype(_PLANAR[frame.format.name])
        raw: NDArray[Any] = np.stack([np.frombuffer(plane, kind, count=frame.samples) for plane in planes])
    else:
        raw = frame.to_ndarray().reshape(-1, channels).T
    if raw.dtype.kind == "f":
        scaled = np.nan_to_num(raw, posinf=1.0, neginf=-1.0)
    elif raw.dtype == np.uint8:
        scaled = raw / 128.0 - 1.0
    else:
        scaled = raw / float(-np.iinfo(raw.dtype).min)
    planar: Float = scaled.astype(np.float32)
    return planar


class _Clock:
    """Aligns samples with timestamps: fills gaps with silence, trims overlaps, follows a restarted clock."""

    def __init__(self, limit: float) -> None:
        self.limit = limit
        self.seconds = 0.0  # written so far
        self.heard = 0.0  # where the last decoded (not filled-in) sample ends
        self._shift = 0.0  # added to time stamps after a restart

    def place(self, moment: float | None, block: Float, rate: int) -> Iterator[Float]:
        """Yield what must be written for a block that starts at ``moment``: silence in pieces of at most a second."""
        gap = 0.0 if moment is None else moment + self._shift - self.seconds
        if gap < -REWIND or self.seconds + gap > max(self.limit, self.seconds + JITTER):
            self._shift -= gap
            gap = 0.0
        if gap > JITTER:
            silence = round(gap * rate)
            while silence > 0:
                yield np.zeros((block.shape[0], min(rate, silence)), np.float32)
                silence -= rate
        elif gap < -JITTER:
            block = block[:, round(-gap * rate) :]
        if block.shape[1]:
            yield block
        self.heard = self.seconds


class _Track:
    """Downmixes and resamples, in blocks of about a second.

    The number of channels of the first block determines the downmix. A later block with another number (a broadcast
    that switches between stereo and 5.1) is reduced to one channel by the same rule, two channels by their mean, and
    copied to all channels that are kept.
    """

    def __init__(self, sink: _Sink) -> None:
        self.kept = 0  # channels that are written: 0 before the first block, 2 until the louder is known, else 1
        self._sink = sink
        self._channels = 0
        self._energy = np.zeros(2)
        self._pending: list[Float] = []
        self._count = 0
        self._rate = 0
        self._resampler: Any = None

    def add(self, block: Float, rate: int) -> None:
        """Append a block (channels, samples) with ``rate`` samples per second."""
        if not self.kept:
            self._channels = block.shape[0]
            self.kept = 2 if self._channels == 2 else 1
        if rate != self._rate:
            self.flush()
            self._rate, self._resampler = rate, self._new_resampler(rate)
        kept = self._reduce(block)
        self._energy[: self.kept] += np.einsum("cs,cs->c", kept, kept, dtype=np.float64)
        self._pending.append(kept)
        self._count += kept.shape[1]
        if self._count >= rate:
            self._write(last=False)

    def flush(self) -> None:
        """Write the remaining samples, including the tail of the resampler."""
        if self._rate:
            self._write(last=True)

    def choice(self) -> int:
        """Index of the louder channel of those kept."""
        return int(self.kept == 2 and self._energy[1] > self._energy[0])

    def rule(self, channel: int) -> str:
        """Description of the downmix."""
        named = {1: "mono", 2: f"louder of 2 ({'right' if channel else 'left'})", 6: "third of 6"}
        return named.get(self._channels, f"mean of {self._channels}")

    def _reduce(self, block: Float) -> Float:
        channels = block.shape[0]
        if channels == self.kept:
            return block
        single = block[CENTRE : CENTRE + 1] if channels == 6 else block.mean(axis=0, keepdims=True)
        return np.repeat(single, self.kept, axis=0)

    def _new_resampler(self, rate: int) -> Any:
        import soxr

        return None if rate == RATE else soxr.ResampleStream(rate, RATE, self.kept, dtype="float32", quality="HQ")

    def _write(self, *, last: bool) -> None:
        empty = np.zeros((self.kept, 0), np.float32)
        block = np.ascontiguousarray(np.concatenate([*self._pending, empty], axis=1).T)  # (samples, channels)
        self._pending, self._count = [], 0
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block, last=last).reshape(-1, self.kept)
        self._sink.write(np.clip(np.rint(block * 32768), -32768, 32767).astype("<i2"))


class _Sink:
    """Writes one .npy file per channel; the selected one is renamed to the target, the other deleted."""

    def __init__(self, target: Path) -> None:
        self._target = target
        own = f"{target.name}.{os.getpid()}"  # two processes may decode the same recording at once
        self._paths = [target.with_name(f"{own}.channel{index}.part") for index in range(2)]
        for path in target.parent.glob(f"{target.name}.*.part"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()
        self._files: list[IO[bytes]] = []
        self._samples = 0

    def __enter__(self) -> _Sink:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            file.close()
        for path in self._paths:
            path.unlink(missing_ok=True)

    def write(self, block: NDArray[np.int16]) -> None:
        """Append a block of shape (samples, channels kept)."""
        while len(self._files) < block.shape[1]:
            self._files.append(self._paths[len(self._files)].open("wb"))
            self._files[-1].write(bytes(HEADER))
        for index, file in enumerate(self._files):
            file.write(block[:, index].tobytes())
        self._samples += len(block)

    def finish(self, channel: int) -> tuple[float, int]:
        """Rename the file of the selected channel to the target; return its seconds and the channel."""
        file = self._files[channel]
        file.seek(0)
        header = {"descr": "<i2", "fortran_order": False, "shape": (self._samples,)}
        np.lib.format.write_array_header_1_0(file, header)
        file.close()
        self._paths[channel].replace(self._target)
        return self._samples / RATE, channel
