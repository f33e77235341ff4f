"""The microphone: a library that is replaced, and what is said where it or the device is missing."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest

from merc.errors import InputError, MissingExtra
from merc.media import microphone


class PortAudioError(Exception):
    pass


@pytest.fixture
def library(monkeypatch):
    """A library with one device that gives three blocks at 48 kHz."""
    found = {"index": 1, "name": "Headset", "max_input_channels": 1, "default_samplerate": 48000.0}
    silent = {"index": 0, "name": "Loudspeaker", "max_input_channels": 0, "default_samplerate": 48000.0}

    class InputStream:
        def __init__(self, rate, size, name, channels, dtype, callback):
            self.callback, self.size = callback, size

        def __enter__(self):
            for _ in range(3):
                self.callback(np.full((self.size, 1), 0.5, np.float32), self.size, None, None)

        def __exit__(self, *_):
            pass

    def query(name=None, kind=None):
        if kind is None:
            return [silent, found]
        if name not in (None, 1, "Head"):
            raise ValueError(f"No input device matching {name!r}")
        return found

    made = SimpleNamespace(
        query_devices=query,
        default=SimpleNamespace(device=(1, 0)),
        InputStream=InputStream,
        PortAudioError=PortAudioError,
    )
    monkeypatch.setitem(sys.modules, "sounddevice", made)
    monkeypatch.setattr(microphone, "_WAIT", 0.1)
    return made


def test_devices_that_record_are_listed(library):
    assert microphone.devices() == ["* 1  Headset, 1 ch, 48000 Hz"]


@pytest.mark.parametrize("device", [None, "1", "Head"])
def test_blocks_are_resampled_until_the_device_stops(library, device):
    blocks = []
    with pytest.raises(InputError, match="Headset: it gives no sound any more"):
        for block in microphone.recorded(device):
            blocks.append(block)
    assert sum(map(len, blocks)) == pytest.approx(3 * 800, abs=600)
    assert blocks[0].dtype == np.float32


def test_a_device_that_is_not_there(library):
    with pytest.raises(InputError, match=r"microphone 'x' was found \(No input device.*--list-devices.*merc listen -"):
        next(microphone.recorded("x"))


def test_a_library_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(MissingExtra, match=r"sounddevice: pip install 'merc\[live\]'"):
        microphone.devices()
