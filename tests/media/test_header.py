"""What the first bytes of a file say."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import av
import numpy as np
import pytest

from merc.errors import MediaError
from merc.media import container
from merc.media.audio import decode_audio
from merc.media.container import probe
from merc.media.header import unfinished_avi

from .making import Film, Sound, record, tone


@pytest.mark.parametrize("size", [bytes(4), b"\xff" * 4])
def test_an_avi_whose_header_was_never_finished_is_as_long_as_its_data(tmp_path: Path, size: bytes) -> None:
    path = record(tmp_path / "a.avi", sound=Sound(tone(440, 2)[None], codec="libmp3lame"), film=Film(codec="mpeg4"))
    whole = probe(path).duration
    data = bytearray(path.read_bytes())
    data[4:8] = size
    for kind in (b"vids", b"auds"):  # the lengths of the streams are placeholders
        place = data.find(b"strh", data.find(kind) - 8) + 8 + 32
        data[place : place + 4] = (91567).to_bytes(4, "little")
    frames = data.find(b"avih") + 8 + 16
    data[frames : frames + 4] = (91567).to_bytes(4, "little")
    path.write_bytes(data[: data.find(b"idx1")])
    assert unfinished_avi(path)
    with av.open(str(path)) as stated:
        assert abs(stated.duration / 1e6 - whole) > 1
    assert probe(path).duration == pytest.approx(whole, abs=0.1)
    decoded = decode_audio(path)
    assert decoded.end == pytest.approx(whole, abs=0.1) and decoded.lost is None


def test_a_finished_avi_is_not_read_through(tmp_path: Path) -> None:
    path = record(tmp_path / "a.avi", film=Film(codec="mpeg4"))
    assert not unfinished_avi(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are of POSIX systems")
def test_a_pipe_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.wav")
    refused: list[str] = []

    def look() -> None:
        with pytest.raises(MediaError) as error:
            probe(tmp_path / "a.wav")
        refused.append(str(error.value))

    worker = threading.Thread(target=look, daemon=True)
    worker.start()
    worker.join(10)
    assert refused and "a.wav: is a pipe or a device" in refused[0] and "save it first" in refused[0]


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match="cannot be read .*name too long"):
        probe(tmp_path / ("a" * 300 + ".wav"))


@pytest.mark.parametrize("error", [av.error.PermissionError(1, "Operation not permitted"), ValueError("odd")])
def test_a_damaged_file_is_not_a_lack_of_permission(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 1)[None], codec="pcm_s16le"))

    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(MediaError, match=r"a\.wav: is not a recording in a known format, or its start is damaged"):
        probe(path)


def test_an_error_of_the_decoder_library_anywhere_is_a_media_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(tone(440, 1)[None], codec="pcm_s16le"))

    def fail(*_: object) -> None:
        raise av.error.PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(container, "_duration", fail)
    with pytest.raises(MediaError, match=r"a\.wav: cannot be decoded \(.*not permitted.*\); expected a recording"):
        probe(path)


def test_a_live_recording_without_a_length_is_read_through_and_then_decoded(tmp_path: Path) -> None:
    path = record(
        tmp_path / "a.webm", sound=Sound(tone(440, 2)[None], codec="libopus"), film=Film(codec="libvpx"), live="1"
    )
    with av.open(str(path)) as source:
        assert source.duration is None
    found = probe(path)
    assert found.duration == pytest.approx(2, abs=0.1)
    assert found.video is not None and np.isclose(found.video.width, 64)
