"""A stream that is kept: its sound in a wav file, and the offline analysis of that file at the end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import soundfile

from merc.errors import InputError, OutputError
from merc.media.samples import RATE


class Recording:
    """Writes the sound of a stream into a wav file while it comes: 16 bits, 16 kHz, one channel.

    Args:
        path: The file; it must not exist, so that nothing is overwritten.

    Raises:
        InputError: the file exists.
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if path.exists():
            raise InputError(f"{path} exists and is not overwritten: name another file")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = soundfile.SoundFile(path, "w", RATE, 1, subtype="PCM_16", format="WAV")
        except (OSError, soundfile.SoundFileError) as error:
            raise OutputError(f"cannot write {path}: {error}; choose another file") from error

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """The file is complete."""
        self._file.close()

    def kept(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks of float32 ``(samples,)``, each written before it is passed on."""
        for block in blocks:
            try:
                self._file.write(block)
            except (OSError, soundfile.SoundFileError) as error:
                raise OutputError(f"cannot write {self.path}: {error}; free space or record elsewhere") from error
            yield block
