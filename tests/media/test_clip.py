"""One decoder and one sampling rule: which frames of an utterance are looked at, and what is cut from its sound."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.errors import MediaError
from merc.media.clip import HEIGHT, ClipDecoder, Extent, cut, extent_of, frame_times, offset_times

from .making import Film, Sound, record, tone


def film(path: Path, seconds: float = 2.0, *, size: tuple[int, int] = (64, 48)) -> Path:
    sound = Sound(tone(300, seconds, rate=16000)[None], rate=16000)
    return record(path, sound=sound, film=Film(tuple(n / 25 for n in range(int(25 * seconds))), size=size))


@pytest.mark.parametrize(
    ("extent", "times"),
    [
        (Extent(0, 3.2, 9), [0.5, 1.5, 2.5]),
        (Extent(10, 11.5, 99), [10.25, 10.75, 11.25]),
        (Extent(2, 2.3, 9), [2.15]),
        (Extent(0, 0, 0), [0]),
    ],
)
def test_frames_once_a_second_and_three_of_a_short_utterance(extent: Extent, times: list[float]) -> None:
    assert frame_times(extent) == times


def test_offset_frames_lie_around_the_sampled_ones_within_the_recording() -> None:
    extent = Extent(1, 4.2, 4.3)
    around = offset_times(extent)
    assert around == sorted(around) and not set(around) & set(frame_times(extent))
    assert around == [1.1, 1.3, 1.7, 1.9, 2.1, 2.3, 2.7, 2.9, 3.1, 3.3, 3.7, 3.9]
    assert max(offset_times(Extent(1, 4.2, 3.8))) == 3.7
    assert min(offset_times(Extent(0, 0.3, 9))) >= 0


def test_an_utterance_is_cut_to_its_recording(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    whole = extent_of(path, None, None)
    assert whole == Extent(0.0, whole.limit, whole.limit) and 1.9 < whole.limit < 2.2
    assert extent_of(path, 1.0, 60.0) == Extent(1.0, whole.limit, whole.limit)
    with pytest.raises(
        MediaError, match=r"a.mp4: ends at 2.\d\d s, before the utterance from 5.00 to 6.00 s; check the"
    ):
        extent_of(path, 5.0, 6.0)
    silent = record(tmp_path / "b.wav", sound=Sound(tone(300, 1.0, rate=16000)[None], rate=16000))
    with pytest.raises(MediaError, match="b.wav: holds no video; expected a video stream for faces"):
        extent_of(silent, None, None)


def test_the_sound_of_a_file_is_decoded_once_while_its_utterances_follow(tmp_path: Path, monkeypatch) -> None:
    from merc.media import audio

    decoded: list[str] = []
    original = audio.decode_mono
    monkeypatch.setattr(audio, "decode_mono", lambda path: decoded.append(str(path)) or original(path))
    first, second = film(tmp_path / "a.mp4"), film(tmp_path / "b.mp4", 1.0)
    decoder = ClipDecoder()
    for path in (first, first, second, first):
        decoder.sound(path)
    assert decoded == [str(first), str(second), str(first)]
    samples = decoder.sound(first).samples
    assert samples.dtype == np.int16 and abs(len(samples) - 32000) < 2000
    assert len(cut(samples, 0.5, 1.0)) == 8000 and len(cut(samples, None, None)) == len(samples)
    assert not len(cut(samples, 50.0, 60.0))
    decoder.close()


def test_frames_are_at_most_720_high(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", 1.0, size=(1280, 960))
    (frame,) = ClipDecoder().frames(path, [0.5])
    assert frame.time == 0.5 and frame.image.shape[0] == HEIGHT
