"""The microphone, through PortAudio (extra ``live``)."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import Any

import numpy as np

from merc.errors import InputError, MissingExtra, require
from merc.media.incoming import Resampler
from merc.media.samples import Float

_WAIT = 2.0  # seconds without a block after which the device counts as gone
_BLOCK = 0.05  # seconds of a block


def devices() -> list[str]:
    """The devices that record, one a line: number, name, channels (ch) and rate; the default one is marked with ``*``.

    Raises:
        MissingExtra: sounddevice or PortAudio is not installed.
    """
    sounddevice = _library()
    chosen = sounddevice.default.device[0]
    return [
        f"{'*' if one['index'] == chosen else ' '} {one['index']}  {one['name']}, {one['max_input_channels']} ch, "
        f"{one['default_samplerate']:.0f} Hz"
        for one in sounddevice.query_devices()
        if one["max_input_channels"] > 0
    ]


def recorded(device: str | None = None) -> Iterator[Float]:
    """What a microphone records, until the iterator is closed.

    Args:
        device: Its number or a part of its name; None: the default one.

    Yields:
        Float32 ``(samples,)`` at 16 kHz, one channel.

    Raises:
        MissingExtra: sounddevice or PortAudio is not installed.
        InputError: there is no such device, or it stopped.
    """
    sounddevice = _library()
    name = int(device) if device is not None and device.isdecimal() else device
    blocks: SimpleQueue[Float] = SimpleQueue()

    def take(data: Any, frames: int, time: Any, status: Any) -> None:
        blocks.put(np.array(data[:, 0], np.float32))

    try:
        found = sounddevice.query_devices(name, "input")
        rate = int(found["default_samplerate"])
        size = int(rate * _BLOCK)
        stream = sounddevice.InputStream(rate, size, name, 1, dtype="float32", callback=take)
    except (ValueError, sounddevice.PortAudioError) as error:
        which = "no microphone" if device is None else f"microphone '{device}'"
        raise InputError(
            f"{which} was found ({error}); see 'merc listen --list-devices', or pipe sound in: ffmpeg … | merc listen -"
        ) from error
    resampled = Resampler(rate)
    with stream:
        while True:
            try:
                block = blocks.get(timeout=_WAIT)
            except Empty:
                raise InputError(
                    f"{found['name']}: it gives no sound any more; connect it again and run the same command"
                ) from None
            yield resampled(block[None])


def _library() -> Any:
    require("sounddevice", extra="live", what="the microphone needs {}")
    try:
        import sounddevice
    except OSError as error:  # sounddevice is there, PortAudio is not
        raise MissingExtra(
            f"the microphone needs PortAudio ({error}): install it (Debian and Ubuntu: apt install libportaudio2)"
        ) from error
    return sounddevice
