"""Sound that is still coming: raw samples however they are cut, and containers from a pipe."""

import io
import threading

import numpy as np
import pytest
import soundfile

from merc.errors import InputError, MediaError
from merc.media.incoming import Available, Pcm, PcmDecoder, Pipe, Resampler, decoded

TONE = np.sin(np.arange(48000) * 2 * np.pi * 440 / 48000).astype(np.float32) / 2


def container(kind, *, rate=48000, subtype=None):
    file = io.BytesIO()
    soundfile.write(file, np.stack([TONE, TONE], 1), rate, format=kind, subtype=subtype)
    return file.getvalue()


class Slow:
    """Gives at most some bytes at a time, as a network does."""

    def __init__(self, data, size):
        self.data, self.size, self.place = data, size, 0

    def read(self, count):
        part = self.data[self.place : self.place + min(count, self.size)]
        self.place += len(part)
        return part


@pytest.mark.parametrize("size", [1, 7, 1000, 10**6])
def test_raw_samples_are_the_same_however_they_are_cut(size):
    values = (np.stack([TONE, -TONE / 2], 1)[:2000] * 32767).astype("<i2")
    data, decoder = values.tobytes(), PcmDecoder(Pcm("s16le", 16000, 2))
    found = np.concatenate([decoder(data[first : first + size]) for first in range(0, len(data), size)])
    np.testing.assert_allclose(found, values.mean(axis=1) / 32768, atol=1e-6)


def test_raw_samples_are_resampled_without_a_loss_at_the_end():
    decoder = PcmDecoder(Pcm("f32le", 48000))
    found = np.concatenate([decoder(part.tobytes()) for part in np.split(TONE, 48)] + [decoder(b"", last=True)])
    assert len(found) == pytest.approx(16000, abs=2)
    expected = np.sin(np.arange(16000) * 2 * np.pi * 440 / 16000) / 2
    np.testing.assert_allclose(found[500:15500], expected[500:15500], atol=1e-2)


def test_what_is_no_number_is_silence_and_what_is_too_loud_is_clipped():
    values = np.array([np.nan, np.inf, -np.inf, 3.0, 0.25], "<f4")
    assert PcmDecoder(Pcm("f32le"))(values.tobytes()).tolist() == [0.0, 1.0, -1.0, 1.0, 0.25]


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"kind": "mp3"}, "pcm is 'mp3': expected one of s16le, f32le"),
        ({"rate": 1}, "rate is 1"),
        ({"rate": 10**9}, "rate is 1000000000"),
        ({"channels": 0}, "channels is 0"),
    ],
)
def test_formats_that_are_none(how, message):
    with pytest.raises(InputError, match=message):
        Pcm(**how)


@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("OGG", "OPUS"), ("FLAC", None), ("MP3", None)])
@pytest.mark.parametrize("size", [500, 10**6])
def test_containers_are_read_from_a_pipe_from_their_first_sample_on(kind, subtype, size):
    found = np.concatenate(list(decoded(Slow(container(kind, subtype=subtype), size), name="talk")))
    assert len(found) == pytest.approx(16000, abs=1200)  # an mp3 begins and ends in whole frames
    assert np.abs(found).max() == pytest.approx(0.5, abs=0.05)


def test_a_long_wav_loses_nothing_of_its_beginning():
    file = io.BytesIO()
    sound = np.zeros(16000 * 12, np.float32)
    sound[:1600] = 0.5
    soundfile.write(file, sound, 16000, format="WAV", subtype="PCM_16")
    found = np.concatenate(list(decoded(Slow(file.getvalue(), 4096), name="talk")))
    assert len(found) == len(sound)
    assert found[:1600].min() > 0.4


@pytest.mark.parametrize("data", [b"", b"hello", b"RIFF\x00\x00\x00\x00WAVE", bytes(5000)])
def test_what_is_no_container_is_refused_in_words(data):
    with pytest.raises(MediaError, match=r"talk: (not a container|has no audio)"):
        list(decoded(Slow(data, 100), name="talk"))


def test_a_pipe_gives_what_was_written_and_its_writer_waits():
    pipe, done = Pipe(), []

    def write():
        for _ in range(40):
            pipe.write(b"x" * (1 << 16))
        pipe.close()
        done.append(True)

    writer = threading.Thread(target=write)
    writer.start()
    writer.join(0.2)
    assert not done
    size = 0
    while part := pipe.read(5000):
        size += len(part)
    writer.join()
    assert size == 40 << 16
    pipe.write(b"late")
    assert pipe.read(10) == b""


def test_a_file_that_cannot_be_read_as_it_comes():
    with pytest.raises(InputError, match="StringIO cannot be read as it comes"):
        Available(io.StringIO())
    assert Available(io.BufferedReader(io.BytesIO(b"abc"))).read(2) == b"ab"


def test_channels_are_averaged():
    assert Resampler(16000)(np.array([[1.0, 0.0], [0.0, 0.5]], np.float32)).tolist() == [0.5, 0.25]
