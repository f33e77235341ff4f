"""Decoded samples: int16 at 16 kHz in files without names, written and read in blocks.

The system removes such a file when nothing uses it any more, however the process ends: the raw sound of a conversation
stays nowhere, two processes never meet in one file, and memory stays flat because its pages can be released.
"""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from merc.errors import MediaError, OutputError

RATE = 16000
"""Samples per second of all decoded audio."""
BLOCK = 1 << 18
"""Samples that are read at a time."""

Float = NDArray[np.float32]
Samples = NDArray[np.int16]


class Sink:
    """Stores samples in a file without a name, which the system removes when it is no longer used."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._file: IO[bytes] | None = None
        self._width = 1
        self._samples = 0

    def __enter__(self) -> Sink:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, block: Samples) -> None:
        """Append a block of shape (samples, planes); silence takes no space where the file system allows holes.

        Raises:
            OutputError: The disk is full or cannot be written.
        """
        try:
            if self._file is None:
                self._width = block.shape[1]
                self._file = tempfile.TemporaryFile(dir=self._folder, prefix="merc-sound-")  # noqa: SIM115
            if block.any():
                self._file.write(np.ascontiguousarray(block).data)
            else:
                self._file.seek(block.nbytes, 1)
        except OSError as error:
            raise OutputError(self._problem(error)) from error
        self._samples += len(block)

    def read(self) -> Samples:
        """What was written, as a read-only map of the file: int16 (samples, planes).

        Raises:
            OutputError: As ``write``.
        """
        if self._file is None or not self._samples:
            return np.zeros((0, self._width), np.int16)
        shape = (self._samples, self._width)
        try:
            self._file.truncate(2 * self._samples * self._width)
            self._file.flush()
            return np.memmap(self._file, "<i2", mode="r", shape=shape)
        except OSError as error:
            raise OutputError(self._problem(error)) from error

    def _problem(self, error: OSError) -> str:
        folder = self._folder or tempfile.gettempdir()
        return (
            f"{folder}: the decoded sound cannot be stored there ({error.strerror}); free space or name another cache"
        )


def blocks(samples: Samples) -> Iterator[Samples]:
    """Decoded planes (samples, planes) in blocks, in order."""
    for first in range(0, len(samples), BLOCK):
        yield np.asarray(samples[first : first + BLOCK])


def read_audio(target: str | Path) -> Samples:
    """Open a .npy file of samples.

    Returns:
        A read-only memory map: (samples,) int16 at 16 kHz.

    Raises:
        MediaError: If the file is something else.
    """
    try:
        samples: Samples = np.load(target, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise MediaError(f"{target}: not decoded audio ({error}); expected a .npy file of samples") from error
    return samples


def to_int16(values: Float) -> Samples:
    """Round to int16, clipped."""
    rounded: Samples = np.clip(np.rint(values), -32768, 32767).astype("<i2")
    return rounded


def release(samples: Samples) -> None:
    """Release the resident pages of decoded samples; they are read again on use.

    Until then they count as memory of the process, which would grow with the recording. No effect on ordinary arrays
    and on platforms without ``madvise``.

    Args:
        samples: Of any shape.

    Example:
        >>> release(np.zeros(16000, np.int16))
    """
    mapped = getattr(samples, "_mmap", None)
    if isinstance(mapped, mmap.mmap) and hasattr(mapped, "madvise"):
        mapped.madvise(mmap.MADV_DONTNEED)


def to_float(samples: Samples) -> Float:
    """Convert int16 samples.

    Args:
        samples: Of any shape.

    Returns:
        The same in [-1, 1), float32.

    Example:
        >>> to_float(np.array([-32768, 0, 16384], np.int16)).tolist()
        [-1.0, 0.0, 0.5]
    """
    return np.asarray(samples, dtype=np.float32) / np.float32(32768)
