"""Which of several tracks is read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from merc.errors import InputError, MediaError
from merc.media.audio import Choice, decode_audio
from merc.media.container import probe
from merc.media.forward import VideoOptions
from merc.media.samples import RATE, to_float
from merc.media.tracks import Tracks, note
from merc.media.video import frames

from .making import tone


def several(
    path: Path, *, pitches: tuple[float, ...], shades: tuple[int, ...] = (), default: tuple[int, ...] = ()
) -> Path:
    """A recording of a second with an audio track of each pitch (0: silent) and a video track of each shade.

    ``default`` gives the indices of the streams, video first, that are flagged.
    """
    from av.stream import Disposition

    with av.open(str(path), "w") as out:
        pictures = [out.add_stream("libx264", rate=25, options={"threads": "1"}) for _ in shades]
        for picture in pictures:
            picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
        sounds = [out.add_stream("flac", rate=RATE, layout="mono") for _ in pitches]
        for index, stream in enumerate((*pictures, *sounds)):
            stream.disposition = Disposition.default if index in default else Disposition(0)
        for stream, shade in zip(pictures, shades, strict=True):
            for number in range(25):
                frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), shade, np.uint8), format="rgb24")
                frame.pts, frame.time_base = number, Fraction(1, 25)
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
        for stream, pitch in zip(sounds, pitches, strict=True):
            for first in range(0, RATE, 4000):
                piece = (tone(pitch, 1, rate=RATE)[None, first : first + 4000] * 32767).astype(np.int16)
                frame = av.AudioFrame.from_ndarray(piece, format="s16", layout="mono")
                frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), first
                out.mux(stream.encode(frame))
            out.mux(stream.encode(None))
    return path


def pitch_of(path: Path, tracks: Tracks = Tracks()) -> float:  # noqa: B008
    samples = to_float(decode_audio(path, Choice(tracks)).samples[:, 0])
    return float(np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax()) * RATE / len(samples)


def shade_of(path: Path, tracks: Tracks = Tracks()) -> int:  # noqa: B008
    (frame,) = frames(path, [0.5], options=VideoOptions(threads=1, tracks=tracks))
    return round(float(frame.image.mean()))


@pytest.mark.parametrize(("default", "pitch"), [((), 300), ((0,), 300), ((1,), 500), ((1, 2), 500)])
def test_of_several_audio_tracks_the_flagged_one_is_read(
    tmp_path: Path, default: tuple[int, ...], pitch: float
) -> None:
    path = several(tmp_path / "a.mkv", pitches=(300, 500, 700), default=default)
    assert pitch_of(path) == pytest.approx(pitch, abs=1)
    assert [track.chosen for track in probe(path).audio_tracks].index(True) == (pitch - 300) // 200


def test_a_track_is_read_by_its_number(tmp_path: Path) -> None:
    path = several(tmp_path / "a.mkv", pitches=(300, 500, 700), shades=(60, 180), default=(0, 2))
    assert pitch_of(path, Tracks(audio=3)) == pytest.approx(700, abs=1)
    assert (shade_of(path), shade_of(path, Tracks(video=2))) == (pytest.approx(60, abs=3), pytest.approx(180, abs=3))
    assert shade_of(several(tmp_path / "b.mkv", pitches=(), shades=(60, 180), default=(1,))) == pytest.approx(
        180, abs=3
    )


def test_a_track_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    path = several(tmp_path / "a.mkv", pitches=(300, 500), default=(1,))
    with pytest.raises(
        MediaError,
        match=r"a\.mkv: audio track 3 is .* audio track 1 \(flac, mono\), 2 \(flac, mono, default\); .*--audio-track",
    ):
        probe(path, Tracks(audio=3))
    with pytest.raises(
        MediaError, match=r"a\.mkv: video track 1 is not one .*; it has no video track; .* --video-track"
    ):
        probe(path, Tracks(video=1))
    with pytest.raises(InputError, match=r"audio_track is 0: expected .* \(tracks are numbered from 1\)"):
        Tracks(audio=0)


def test_a_note_names_the_tracks_that_are_not_read(tmp_path: Path) -> None:
    found = probe(several(tmp_path / "a.mkv", pitches=(300, 500), shades=(60,), default=(2,)))
    assert note(found.audio_tracks, "audio") == (
        "audio track 2 (flac, mono, default) is used, not 1 (flac, mono); --audio-track chooses another"
    )
    assert note(found.video_tracks, "video") is None
