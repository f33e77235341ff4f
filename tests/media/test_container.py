"""Probing and opening of recordings, and messages on files that are not."""

from __future__ import annotations

import os
from pathlib import Path

import av
import numpy as np
import pytest

from merc.errors import MediaError
from merc.media.container import probe

from .making import Film, Sound, cut, record, tone, turned

HUM = Sound(tone(440, 1)[None])


def test_probe_tells_what_a_film_holds(tmp_path: Path) -> None:
    found = probe(record(tmp_path / "a.mp4", sound=HUM, film=Film(times=[n / 25 for n in range(25)])))
    assert found.container.startswith("mov,mp4")
    assert found.duration == pytest.approx(1.0, abs=0.05)
    assert found.audio is not None and found.video is not None
    assert (found.audio.codec, found.audio.rate, found.audio.channels) == ("aac", 48000, 1)
    assert found.audio.layout == "mono"
    assert (found.video.codec, found.video.width, found.video.height) == ("h264", 64, 48)
    assert found.video.fps == pytest.approx(25)
    assert found.video.rotation == 0


def test_probe_gives_the_upright_size(tmp_path: Path) -> None:
    found = probe(turned(record(tmp_path / "phone.mp4", film=Film(times=[0, 0.04])), (0, 1, -1, 0)))
    assert found.video is not None
    assert (found.video.rotation, found.video.width, found.video.height) == (90, 48, 64)


def test_sound_without_pictures_and_pictures_without_sound(tmp_path: Path) -> None:
    assert probe(record(tmp_path / "a.m4a", sound=HUM)).video is None
    assert probe(record(tmp_path / "b.mkv", film=Film())).audio is None


def test_a_live_recording_without_length_is_measured(tmp_path: Path) -> None:
    live = record(tmp_path / "live.webm", sound=Sound(HUM.samples, codec="libopus"), live="1")
    with av.open(str(live)) as container:
        assert container.duration is None
    assert probe(live).duration == pytest.approx(1.0, abs=0.05)


@pytest.mark.parametrize(("name", "codec"), [("a.mp3", "libmp3lame"), ("a.flac", "flac"), ("a.m4a", "aac")])
def test_cover_art_is_not_video(tmp_path: Path, name: str, codec: str) -> None:
    from av.stream import Disposition

    path = tmp_path / name
    with av.open(str(path), "w", format="mp4" if name.endswith("m4a") else None) as container:
        voice = container.add_stream(codec, rate=44100, layout="mono")
        cover = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 32, 32, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        picture = av.VideoFrame.from_ndarray(np.full((32, 32, 3), 200, np.uint8), format="rgb24")
        container.mux(cover.encode(picture))
        container.mux(cover.encode(None))
        samples = tone(440, 1, rate=44100)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(samples, format="fltp", layout="mono")
        frame.sample_rate = 44100
        container.mux(voice.encode(frame))
        container.mux(voice.encode(None))
    with av.open(str(path)) as container:
        assert len(container.streams.video) == 1
    found = probe(path)
    assert found.video is None
    assert found.audio is not None


TEXT = "Sie sagte: das geht doch nicht. " * 100
PLAYLIST = "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\n/etc/hostname\n"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.mp4", b"", "empty.mp4: is empty (0 bytes)"),
        ("notes.mp4", TEXT.encode(), "notes.mp4: is a text file"),
        ("notes.txt", TEXT.encode(), "notes.txt: is a text file"),
        ("umlauts.wav", ("ä" * 5000).encode(), "umlauts.wav: is a text file"),
        ("list.mp4", PLAYLIST.encode(), "list.mp4: is a text file"),
        ("noise.mp4", bytes(range(1, 256)) * 40, "noise.mp4: is not a recording"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(MediaError) as caught:
        probe(path)
    assert str(caught.value).startswith(message)
    assert "expected a recording (mp4, mkv" in str(caught.value)


def test_a_picture_is_refused(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.png"), "w", format="image2") as container:
        stream = container.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = 16, 16, "rgb24"
        frame = av.VideoFrame.from_ndarray(np.zeros((16, 16, 3), np.uint8), format="rgb24")
        container.mux(stream.encode(frame))
    with pytest.raises(MediaError, match=r"a\.png: is not a recording"):
        probe(tmp_path / "a.png")


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(MediaError, match=r"nowhere\.mp4: no such file; .*check the spelling"):
        probe(tmp_path / "nowhere.mp4")
    with pytest.raises(MediaError, match="is a folder; .*give one file in it"):
        probe(tmp_path)


def test_no_read_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = record(tmp_path / "a.wav", sound=Sound(HUM.samples, codec="pcm_s16le"))
    path.chmod(0)
    if os.access(path, os.R_OK):  # the superuser may read everything
        monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(MediaError, match=r"a\.wav: no permission to read it; .*chmod u\+r"):
        probe(path)


def test_an_mp4_without_its_index_says_so(tmp_path: Path) -> None:
    path = cut(record(tmp_path / "a.mp4", sound=HUM, film=Film()), 0.5)
    with pytest.raises(MediaError, match=r"a\.mp4: its index \(the moov box\) is missing.*interrupted"):
        probe(path)


def test_a_file_of_subtitles_only_has_nothing_to_decode(tmp_path: Path) -> None:
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        container.add_stream("ass") if "ass" in av.codecs_available else pytest.skip("no subtitle encoder")
        container.start_encoding()
    with pytest.raises(MediaError, match=r"a\.mkv: (no stream that can be decoded|is not a recording)"):
        probe(path)
