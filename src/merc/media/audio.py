"""Audio decoding: one forward pass in blocks of about a second, to int16 at 16 kHz in an unnamed file.

The samples lie in a temporary file that has no name, so memory stays flat, two processes cannot meet in it, and nothing
of it is left however the process ends. Which planes of a track are kept is said in ``channels``.

Resampling is soxr's streaming "HQ". It is as fast as FFmpeg's resampler, is flat up to 7.2 kHz (where FFmpeg's default
loses 1 dB) and suppresses 8.1 kHz and above (which FFmpeg's aliases at -13 dB).

The sample at index ``i`` is at ``i / 16000`` seconds of the recording: late starts, lost packets and gaps in the
timestamps become silence; overlaps are trimmed. How much silence is filled in does not depend on what a file states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from merc.errors import MediaError
from merc.media.channels import Planes, check_choice, planes
from merc.media.clock import REWIND
from merc.media.container import (
    ANY_TRACKS,
    AudioInfo,
    Damage,
    Probe,
    Source,
    VideoInfo,
    declared_end,
    decode,
    lost_end,
    opened,
    packets,
    probe,
)
from merc.media.samples import RATE, Float, Samples, Sink, blocks, release, to_float, to_int16
from merc.media.tracks import Tracks

__all__ = [
    "RATE",
    "AudioInfo",
    "DecodedAudio",
    "Probe",
    "VideoInfo",
    "decode_audio",
    "decode_mono",
    "probe",
    "release",
    "to_float",
]

SLOWEST = (
    2000  # samples per second below which a track cannot carry speech; at 1 Hz a small file would become gigabytes
)
_ENOUGH = 1000  # packets of such a track, none of which can be used, after which no more are read
JITTER = 0.05  # seconds of drift between timestamps and sample count that are tolerated without correction
LONGEST_GAP = 3600.0  # seconds of the longest gap that is filled with silence: sound may start late in a film
MOST_SILENCE = 7200.0  # seconds that are filled in all
MOST_PLANES = 8  # planes that a decoded frame can point to; reading more is out of bounds in the decoder library
SILENT = 1e-3  # share of the others' energy below which a channel counts as silent (-30 dB)

_FORMATS = {"u8": "u1", "s16": "i2", "s32": "i4", "s64": "i8", "flt": "f4", "dbl": "f8"}


@dataclass(frozen=True, slots=True)
class Choice:
    """What of a recording is decoded.

    Args:
        tracks: See ``tracks.Tracks``.
        channel: One of ``channels.CHOICES`` or a number from 1; None: every plane that may matter.
        folder: Where the unnamed file lies; None: the system's folder of temporary files.

    Raises:
        InputError: The channel is none of these.
    """

    tracks: Tracks = ANY_TRACKS
    channel: str | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        check_choice(self.channel)


DEFAULT = Choice()


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """Result of ``decode_audio``.

    Args:
        samples: Read-only int16 (samples, planes) at 16 kHz on disk.
        names: Names of the planes, such as "left" or "mean of 4".
        end: Where the data of the recording end, sound or picture, in seconds.
        lost: Sentence on what could not be decoded, or None.
        left_out: Names of channels beyond those that can be kept.

    Example:
        >>> decoded = DecodedAudio(np.zeros((16000, 2), np.int16), ("left", "right"), end=1.0)
        >>> mono(decoded).channel
        'left'
    """

    samples: Samples
    names: tuple[str, ...]
    end: float
    lost: str | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mono:
    """Result of ``decode_mono``.

    Args:
        samples: Read-only int16 (samples,) at 16 kHz on disk.
        channel: What they are: the name of a channel, or "mean of N".
        lost: Sentence on what could not be decoded, or None.
    """

    samples: Samples
    channel: str
    lost: str | None = None


def decode_audio(
    path: str | Path, choice: Choice = DEFAULT, *, on_seconds: Callable[[float], None] | None = None
) -> DecodedAudio:
    """Decode an audio track to int16 at 16 kHz, plane by plane.

    Damaged and missing parts become silence.

    Args:
        path: Audio or video file.
        choice: What is decoded.
        on_seconds: Called about once per second of audio with the position in seconds.

    Returns:
        The planes, as they are on disk.

    Raises:
        MediaError: If the file cannot be read (see ``probe``), has no audio, or lacks the track or the channel.
        OutputError: If the samples cannot be stored.

    Example:
        >>> import merc.sample
        >>> decoded = decode_audio(merc.sample.path())
        >>> decoded.names, decoded.samples.dtype, round(decoded.end)
        (('mono',), dtype('int16'), 51)
    """
    name = Path(path).name
    with opened(path, choice.tracks) as source:
        if source.audio is None:
            raise MediaError(f"{name}: has no audio; expected an audio stream; use a recording with audio")
        return _decode(source, choice, name=name, on_seconds=on_seconds)


def decode_mono(path: str | Path, folder: Path | None = None) -> Mono:
    """Decode the default audio track to one channel, chosen from the signal alone.

    For clips of one utterance. Of two channels the one with more energy is taken, because recorders often put the voice
    on one channel and a mean would halve it (the left one if equal); of a surround layout the centre, unless it is
    silent; any other channels are averaged. A whole recording is decided from its content instead, in the pipeline.

    Args:
        path: Audio or video file.
        folder: Where the samples lie in a file without a name; None: the system's folder of temporary files.

    Returns:
        One channel, and which one it is.

    Raises:
        MediaError: As ``decode_audio``.
        OutputError: As ``decode_audio``.

    Example:
        >>> import merc.sample
        >>> decode_mono(merc.sample.path()).channel
        'mono'
    """
    return mono(decode_audio(path, Choice(folder=folder)), folder)


def mono(decoded: DecodedAudio, folder: Path | None = None) -> Mono:
    """One channel of decoded planes by the rule of ``decode_mono``."""
    names, count = decoded.names, len(decoded.names)
    if count == 1:
        return Mono(decoded.samples[:, 0], names[0], decoded.lost)
    if count > 2:
        weights = np.full(count, 1 / count, np.float32)
        return Mono(joined(decoded.samples, weights, folder), f"mean of {count}", decoded.lost)
    energy = sum((block.astype(np.float32) ** 2).sum(axis=0, dtype=np.float64) for block in blocks(decoded.samples))
    place = int(energy[0] < SILENT * energy[1] if names[0] == "centre" else energy[1] > energy[0])
    return Mono(joined(decoded.samples, np.eye(2, dtype=np.float32)[place], folder), names[place], decoded.lost)


def joined(samples: Samples, weights: Float, folder: Path | None) -> Samples:
    """One weighted sum of planes: int16 (samples,)."""
    with Sink(folder) as sink:
        for block in blocks(samples):
            sink.write(to_int16(block.astype(np.float32) @ weights)[:, None])
            release(samples)
        return sink.read()[:, 0]


def _decode(source: Source, choice: Choice, *, name: str, on_seconds: Callable[[float], None] | None) -> DecodedAudio:
    stream, damage, clock = source.audio, Damage(), _Clock()
    reported = 0.0
    with Sink(choice.folder) as sink:
        track = _Track(sink, choice.channel, name)
        for moment, block, rate, layout in _blocks(source, damage):
            for piece in clock.place(moment, block, rate):
                track.add(piece, rate, layout)
                clock.seconds += piece.shape[1] / rate
            if on_seconds is not None and clock.seconds >= reported + 1:
                reported = clock.seconds
                on_seconds(reported)
        if track.planes is None:
            raise MediaError(_undecoded(name, stream, damage))
        track.flush()
        samples = sink.read()
    end = max(damage.end - clock.skipped, len(samples) / RATE)
    lost = _lost(name, declared_end(source, stream), clock, damage)
    return DecodedAudio(samples, track.planes.names, end, lost, track.planes.left_out)


def _undecoded(name: str, stream: Any, damage: Damage) -> str:
    context = stream.codec_context
    if 0 < context.sample_rate < SLOWEST:
        return (
            f"{name}: its audio has {context.sample_rate} samples per second; expected at least {SLOWEST} (speech "
            "needs 8000); record it again, or correct the header if it is wrong"
        )
    return (
        f"{name}: cannot decode its {context.name} stream of {damage.packets} packets; expected audio; convert it to "
        "wav and try again"
    )


def _lost(name: str, end: float | None, clock: _Clock, damage: Damage) -> str | None:
    parts = [lost_end(end, clock.heard, what="audio") if not clock.skipped else None]
    if damage.damaged:
        parts.append(f"{damage.damaged} of {damage.packets} audio packets were damaged and replaced by silence")
    if clock.skipped:
        parts.append(f"gaps of {clock.skipped:.0f} s in its time stamps were left out")
    known = [part for part in parts if part is not None]
    return f"{name}: " + "; ".join(known) if known else None


def _blocks(source: Source, damage: Damage) -> Iterator[tuple[float | None, Float, int, Any]]:
    """Decoded audio as (seconds from time zero or None, float32 (channels, samples), samples per second, layout)."""
    stream: Any = source.audio
    context = stream.codec_context

    def tuples(frames: Any) -> Iterator[tuple[float | None, Float, int, Any]]:
        for frame in frames:
            if unusable(frame):
                damage.damaged += 1
                continue
            moment = None if frame.pts is None else float(frame.pts * stream.time_base) - source.zero
            yield moment, to_planar(frame), frame.sample_rate, frame.layout

    for packet in packets(source, stream, damage):
        yield from tuples(decode(context, packet, damage))
        if damage.packets == damage.damaged == _ENOUGH and context.sample_rate < SLOWEST:
            return  # at 1 Hz a small file has millions of packets
    yield from tuples(decode(context, None, damage))


def unusable(frame: Any) -> bool:
    """Whether a frame cannot be read: no channels or samples, too slow, or more planes than can be pointed to.

    A damaged packet may decode to 13 or 17 channels.
    """
    channels = frame.layout.nb_channels
    too_wide = frame.format.is_planar and channels > MOST_PLANES
    return bool(too_wide or channels < 1 or frame.samples < 1 or frame.sample_rate < SLOWEST)


def to_planar(frame: Any) -> Float:
    """The samples of a PyAV frame as float32 in [-1, 1], shape (channels, samples).

    Buffers are read directly: PyAV counts nine planes in a frame of eight, and its ``to_ndarray`` then crashes the
    process; it also knows no 64-bit integers.
    """
    channels, count = frame.layout.nb_channels, frame.samples
    kind = np.dtype(_FORMATS[frame.format.name.removesuffix("p")])
    if frame.format.is_planar:
        rows = [np.frombuffer(plane, kind, count=count) for plane in frame.planes[:channels]]
        raw: NDArray[Any] = np.stack(rows)
    else:
        raw = np.frombuffer(frame.planes[0], kind, count=count * channels).reshape(count, channels).T
    if kind.kind == "f":
        scaled = np.clip(np.nan_to_num(raw), -1.0, 1.0)
    elif kind == np.uint8:
        scaled = raw / 128.0 - 1.0
    else:
        scaled = raw / float(-np.iinfo(kind).min)
    planar: Float = scaled.astype(np.float32)
    return planar


class _Clock:
    """Aligns samples with timestamps: fills gaps with silence, trims overlaps, follows a restarted clock."""

    def __init__(self) -> None:
        self.seconds = 0.0  # written so far
        self.heard = 0.0  # where the last decoded (not filled-in) sample ends
        self.skipped = 0.0  # seconds of gaps that were not filled
        self._filled = 0.0
        self._shift = 0.0  # added to time stamps after a restart

    def place(self, moment: float | None, block: Float, rate: int) -> Iterator[Float]:
        """Yield what must be written for a block that starts at ``moment``: silence in pieces of at most a second."""
        gap = 0.0 if moment is None else moment + self._shift - self.seconds
        too_long = gap > LONGEST_GAP or (gap > JITTER and self._filled + gap > MOST_SILENCE)
        if gap < -REWIND or too_long:
            self.skipped += max(0.0, gap)
            self._shift -= gap
            gap = 0.0
        if gap > JITTER:
            self._filled += gap
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
    """Joins channels to planes and resamples these, in blocks of about a second.

    The layout of the first block determines the planes. A later block with another number of channels (a broadcast that
    switches between stereo and 5.1) becomes one channel, the centre of six or the mean, which is copied to all planes.
    """

    def __init__(self, sink: Sink, channel: str | None, name: str) -> None:
        self.planes: Planes | None = None
        self._sink, self._channel, self._name = sink, channel, name
        self._pending: list[Float] = []
        self._count = 0
        self._rate = 0
        self._resampler: Any = None

    def add(self, block: Float, rate: int, layout: Any) -> None:
        """Append a block (channels, samples) with ``rate`` samples per second."""
        if self.planes is None:
            self.planes = planes(layout, self._channel, name=self._name)
        if rate != self._rate:
            self.flush()
            self._rate, self._resampler = rate, self._new_resampler(rate, len(self.planes.names))
        kept = _in_planes(block, self.planes.matrix)
        self._pending.append(kept)
        self._count += kept.shape[1]
        if self._count >= rate:
            self._write(last=False)

    def flush(self) -> None:
        """Write the remaining samples, including the tail of the resampler."""
        if self._rate:
            self._write(last=True)

    @staticmethod
    def _new_resampler(rate: int, count: int) -> Any:
        import soxr

        return None if rate == RATE else soxr.ResampleStream(rate, RATE, count, dtype="float32", quality="HQ")

    def _write(self, *, last: bool) -> None:
        count = 0 if self.planes is None else len(self.planes.names)
        empty = np.zeros((count, 0), np.float32)
        block = np.ascontiguousarray(np.concatenate([*self._pending, empty], axis=1).T)  # (samples, planes)
        self._pending, self._count = [], 0
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block, last=last).reshape(-1, count)
        self._sink.write(to_int16(block * 32768))


def _in_planes(block: Float, matrix: Float) -> Float:
    """Channels (channels, samples) as planes (planes, samples)."""
    if block.shape[0] != matrix.shape[1]:
        single = block[2:3] if block.shape[0] == 6 else block.mean(axis=0, keepdims=True)
        return np.repeat(single, len(matrix), axis=0)
    if len(matrix) == matrix.shape[1] and np.array_equal(matrix, np.eye(len(matrix))):
        return block
    return matrix @ block
