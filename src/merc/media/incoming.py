"""Sound that is still coming in: raw samples, or a container read from a pipe, as mono at 16 kHz, block by block."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Condition
from typing import Any, Protocol

import numpy as np

from merc.errors import InputError, MediaError
from merc.media.audio import SLOWEST, to_planar, unusable
from merc.media.samples import RATE, Float
from merc.options import between, one_of

KINDS = {"s16le": "<i2", "f32le": "<f4"}
"""Formats of raw samples and their types."""
FASTEST = 384_000
"""Samples per second above which no sound is."""
_FULL = 1 << 20  # bytes that wait in a pipe before its writer does
_PROBED = {"analyzeduration": "500000", "probesize": "32768"}  # a header, not seconds of sound


@dataclass(frozen=True, slots=True)
class Pcm:
    """How raw samples are stored.

    Raises:
        InputError: it is not known, or out of range.

    Example:
        >>> Pcm("s16le", rate=8000).rate
        8000
        >>> Pcm("mp3")
        Traceback (most recent call last):
            ...
        merc.errors.InputError: pcm is 'mp3': expected one of s16le, f32le
    """

    kind: str = "s16le"
    """"s16le" (16-bit integers) or "f32le" (32-bit floating point), both little-endian."""
    rate: int = RATE
    """Samples per second."""
    channels: int = 1
    """Interleaved channels; their mean is heard."""

    def __post_init__(self) -> None:
        one_of(tuple(KINDS), pcm=self.kind)
        between(SLOWEST, FASTEST, rate=self.rate)
        between(1, 64, channels=self.channels)

    @property
    def frame(self) -> int:
        """Bytes of one sample of all channels."""
        return np.dtype(KINDS[self.kind]).itemsize * self.channels


class Resampler:
    """Any number of channels at any rate as one at 16 kHz; it keeps what a block leaves over.

    Args:
        rate: Samples per second.
    """

    def __init__(self, rate: int) -> None:
        import soxr

        self._stream = None if rate == RATE else soxr.ResampleStream(rate, RATE, 1, dtype="float32", quality="HQ")

    def __call__(self, block: Float, *, last: bool = False) -> Float:
        """Float32 ``(samples,)`` of a block ``(channels, samples)``."""
        mono: Float = np.clip(np.nan_to_num(block), -1, 1).mean(axis=0, dtype=np.float32)
        if self._stream is None:
            return mono
        found: Float = self._stream.resample_chunk(mono, last=last)
        return found


class PcmDecoder:
    """Raw bytes as sound, however they are cut.

    Args:
        pcm: How samples are stored.
    """

    def __init__(self, pcm: Pcm) -> None:
        self._pcm, self._rest = pcm, b""
        self._resampled = Resampler(pcm.rate)

    def __call__(self, data: bytes, *, last: bool = False) -> Float:
        """Float32 ``(samples,)`` at 16 kHz; ``last`` gives what the resampler holds back."""
        data = self._rest + data
        whole = len(data) // self._pcm.frame * self._pcm.frame
        self._rest = data[whole:]
        values = np.frombuffer(data[:whole], KINDS[self._pcm.kind]).astype(np.float32)
        if self._pcm.kind == "s16le":
            values /= 32768
        return self._resampled(values.reshape(-1, self._pcm.channels).T, last=last)


class Readable(Protocol):
    """What bytes are read from."""

    def read(self, count: int, /) -> bytes:
        """At most so many bytes, as soon as there are any; none at the end."""


class Pipe:
    """Bytes that one thread writes and another reads; the writer waits while too many are unread."""

    def __init__(self) -> None:
        self._parts: deque[bytes] = deque()
        self._size, self._closed = 0, False
        self._changed = Condition()

    def write(self, data: bytes) -> None:
        """Append bytes; nothing happens once the pipe is closed."""
        with self._changed:
            while self._size >= _FULL and not self._closed:
                self._changed.wait()
            if data and not self._closed:
                self._parts.append(data)
                self._size += len(data)
                self._changed.notify_all()

    def read(self, count: int, /) -> bytes:
        """At most so many bytes, as soon as there are any; none once the pipe is closed and empty."""
        with self._changed:
            while not self._parts and not self._closed:
                self._changed.wait()
            if not self._parts:
                return b""
            part = self._parts.popleft()
            if len(part) > count:
                self._parts.appendleft(part[count:])
                part = part[:count]
            self._size -= len(part)
            self._changed.notify_all()
            return part

    def close(self) -> None:
        """No more bytes come, or nobody reads them."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def decoded(file: Readable, *, name: str) -> Iterator[Float]:
    """The sound of a container that is read forward only, such as WebM, Ogg, wav or mp3, as it comes.

    Args:
        file: Gives the bytes.
        name: For messages.

    Yields:
        Float32 ``(samples,)`` at 16 kHz, the mean of the channels of the first audio stream.

    Raises:
        MediaError: it is no container that FFmpeg reads from a pipe, or has no sound.
    """
    import av

    try:
        with av.open(file, options=dict(_PROBED), buffer_size=4096) as container:
            if not container.streams.audio:
                raise MediaError(f"{name}: has no audio; expected a stream of sound")
            yield from _blocks(container)
    except (av.error.FFmpegError, ValueError) as error:
        raise MediaError(
            f"{name}: not a container that can be read while it comes ({error}); send WebM, Ogg, wav, mp3 or Matroska, "
            "or raw samples with their format"
        ) from error


def _blocks(container: Any) -> Iterator[Float]:
    resampled, rate = None, 0
    for frame in container.decode(audio=0):
        if unusable(frame):
            continue
        if resampled is None or frame.sample_rate != rate:
            if resampled is not None:
                yield resampled(np.zeros((1, 0), np.float32), last=True)
            rate = frame.sample_rate
            resampled = Resampler(rate)
        yield resampled(to_planar(frame))
    if resampled is not None:
        yield resampled(np.zeros((1, 0), np.float32), last=True)


class Available:
    """A file whose ``read`` gives what has come instead of waiting for all that was requested.

    Args:
        file: A buffered binary file, such as ``sys.stdin.buffer``.
    """

    def __init__(self, file: Any) -> None:
        if not hasattr(file, "read1"):
            raise InputError(f"a {type(file).__name__} cannot be read as it comes: expected a buffered binary file")
        self._file = file

    def read(self, count: int, /) -> bytes:
        """At most so many bytes, as soon as there are any; none at the end."""
        found: bytes = self._file.read1(count)
        return found
