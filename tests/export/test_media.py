"""A recording without faces and voices: what is written, from which file, and what is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from merc.conversation import Recording
from merc.errors import InputError
from merc.export import faces, media
from merc.export.faces import Found
from merc.export.media import source, write
from merc.media.container import probe


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """A second of a square of black and white stripes on grey and of a tone, with a title and a second audio track."""
    path = tmp_path / "anna.mp4"
    with av.open(str(path), "w") as container:
        container.metadata["title"] = "Anna at home"
        picture = container.add_stream("libx264", rate=10)
        picture.width, picture.height, picture.pix_fmt = 160, 120, "yuv420p"
        tracks = [container.add_stream("aac", rate=16000, layout="mono") for _ in range(2)]
        for number in range(10):
            image = np.full((120, 160, 3), 60, np.uint8)
            image[40:60, 60:70] = np.where(np.indices((20, 10)).sum(0) // 2 % 2, 250, 10)[..., None]
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts = number
            container.mux(picture.encode(frame))
        container.mux(picture.encode(None))
        tone = (8000 * np.sin(np.arange(16000) / 9)).astype(np.int16)
        for track in tracks:
            frame = av.AudioFrame.from_ndarray(tone[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts = 16000, 0
            container.mux(track.encode(frame))
            container.mux(track.encode(None))
    return path


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The square counts as a face, at one moment."""
    seen = Found(np.array([0.5]), np.array([[60.0, 40.0, 70.0, 60.0]]))
    monkeypatch.setattr(faces, "find", lambda path, times, progress: seen)


def images(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]


def test_faces_are_covered_in_every_frame_and_nothing_else_is_carried_over(
    film: Path, found: None, tmp_path: Path
) -> None:
    made = write(film, tmp_path / "out.mp4")
    assert (made.faces, made.sound) == (1, True)
    before, after = images(film), images(tmp_path / "out.mp4")
    assert len(after) == len(before) == 10
    assert all(image[42:58, 61:69].std() > 70 for image in before)
    assert all(image[42:58, 61:69].std() < 30 for image in after)
    assert all(abs(float(image[10, 10].mean()) - 60) < 12 for image in after)
    read = probe(tmp_path / "out.mp4")
    assert len(read.audio_tracks) == 1 and read.duration == pytest.approx(1.0, abs=0.15)
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert "title" not in container.metadata


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.m4a"])
def test_sound_alone_is_masked(film: Path, tmp_path: Path, name: str) -> None:
    made = write(film, tmp_path / name)
    assert made.faces is None and made.sound
    read = probe(tmp_path / name)
    assert read.video is None and read.duration == pytest.approx(1.0, abs=0.15)
    if name == "out.wav":
        sound, rate = soundfile.read(tmp_path / name)
        spectrum = np.abs(np.fft.rfft(sound[4000:12000]))
        assert rate == 16000 and spectrum.max() < 30 * np.median(spectrum[100:200]), "the tone is noise now"


def test_what_cannot_be_written_is_refused(film: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"cannot write media as 'x\.gif': expected a name that ends in \.mp4"):
        write(film, tmp_path / "x.gif")
    with pytest.raises(InputError, match="is the recording itself"):
        write(film, film)


def test_only_the_recording_of_the_results_is_masked(film: Path, tmp_path: Path) -> None:
    digest = hashlib.sha256(film.read_bytes()).hexdigest()
    assert source(Recording(film.name, digest, 1.0, True, True), film) == film
    with pytest.raises(InputError, match="its hash differs"):
        source(Recording(film.name, "ab" * 32, 1.0, True, True), film)
    with pytest.raises(InputError, match="is not there; name it with --recording"):
        source(Recording(film.name, digest, 1.0, True, True), tmp_path / "gone.mp4")
    assert media.SUFFIXES[0] == ".mp4"
