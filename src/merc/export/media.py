"""A recording without the faces and the voices of the people in it, as a new file that carries nothing else over."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import file_hash, replacing
from merc.conversation import Recording
from merc.errors import InputError, OutputError
from merc.export import faces, voice
from merc.media.audio import RATE, decode_mono
from merc.media.container import Probe, probe
from merc.media.video import frames
from merc.progress import Progress

SUFFIXES = (".mp4", ".mkv", ".mov", ".m4a", ".wav", ".flac")
"""Extensions of the files that can be written; the last three hold sound alone."""
_SOUND = {".wav": "pcm_s16le", ".flac": "flac"}
_PIECE = 1024  # samples of a frame of sound
_TICKS = 90000  # of a second, in which the times of frames are written


@dataclass(frozen=True, slots=True)
class Masked:
    """What was written.

    Attributes:
        path: The file.
        faces: How many faces were found, in all frames that were looked at; None: no picture was written.
        sound: Whether there is sound.
    """

    path: Path
    faces: int | None
    sound: bool


def source(analysed: Recording, path: Path) -> Path:
    """The recording that was analysed.

    Args:
        analysed: What the timeline says of it.
        path: Where it should be.

    Raises:
        InputError: If it is not there, or another file.
    """
    if not path.is_file():
        raise InputError(f"{path}: the recording of these results is not there; name it with --recording")
    if file_hash(path) != analysed.sha256:
        raise InputError(f"{path} is not the recording of these results (its hash differs); name it with --recording")
    return path


def write(recording: Path, path: Path, *, progress: Progress | None = None) -> Masked:
    """Write a recording with covered faces and masked voices.

    Names of tracks, tags, chapters, subtitles, cover pictures and further tracks are not carried over.

    Args:
        recording: The recording that was analysed.
        path: The new file; its extension decides whether it has a picture.
        progress: Called with a stage, the amount done and the total.

    Raises:
        InputError: If the extension is unknown, or the file would replace the recording.
        MediaError: If the recording cannot be decoded.
        OutputError: If the file cannot be written.
        WeightError: If the weight 'mtcnn' was not fetched.
    """
    _check_name(recording, path)
    found = probe(recording)
    picture = found.video is not None and path.suffix.lower() in SUFFIXES[:3]
    if not picture and found.audio is None:
        raise InputError(f"{recording.name} has no sound, which is all that {path.suffix} can hold: choose .mp4")
    seen = faces.find(recording, _times(found, faces.PER_SECOND), progress=progress) if picture else None
    sound = voice.masked(decode_mono(recording).samples) if found.audio else None
    with replacing(path) as temporary:
        try:
            _encode(temporary, recording, found, seen, sound, progress)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from error
    return Masked(path, None if seen is None else len(seen.times), sound is not None)


def _check_name(recording: Path, path: Path) -> None:
    if path.suffix.lower() not in SUFFIXES:
        raise InputError(f"cannot write media as '{path.name}': expected a name that ends in {', '.join(SUFFIXES)}")
    if path.exists() and path.samefile(recording):
        raise InputError(f"{path} is the recording itself: choose another name")


def _times(found: Probe, per_second: float) -> np.ndarray:
    """Times at a constant distance, over a recording."""
    return np.round(np.arange(max(1, int(found.duration * per_second))) / per_second, 6)


def _encode(
    path: Path,
    recording: Path,
    found: Probe,
    seen: faces.Found | None,
    sound: np.ndarray | None,
    progress: Progress | None,
) -> None:
    """Write picture and sound, each up to the time of the other, so that players find them together."""
    import av

    with av.open(str(path), "w") as container:
        heard = _Sound(container, sound, _SOUND.get(path.suffix.lower(), "aac")) if sound is not None else None
        if seen is not None and found.video is not None:
            rate = min(30.0, found.video.fps or 25.0)
            times = _times(found, rate)
            picture = _Picture(container, Fraction(rate).limit_denominator(1001))
            shown = frames(recording, times.tolist(), height=faces.HEIGHT, options=faces.DECODING)
            for number, frame in enumerate(shown, 1):
                picture.write(faces.covered(frame.image, seen.at(frame.time)), frame.time)
                if heard:
                    heard.write(until=frame.time)
                if progress:
                    progress("media", number, len(times))
            picture.finish()
        if heard:
            heard.write(until=np.inf)
            heard.finish()


class _Picture:
    """The video stream of a file: H.264, of the size of its first frame."""

    def __init__(self, container: Any, rate: Fraction) -> None:
        self._container, self._last = container, -1
        self._stream = container.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "veryfast"})
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = Fraction(1, _TICKS)

    def write(self, image: np.ndarray, time: float) -> None:
        """Encode an image, uint8 RGB (h, w, 3), at a time in seconds."""
        import av

        even = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])  # as 4:2:0 needs it
        if self._last < 0:
            self._stream.height, self._stream.width = even.shape[:2]
        frame = av.VideoFrame.from_ndarray(even, format="rgb24")
        self._last = max(round(time * _TICKS), self._last + 1)
        frame.pts, frame.time_base = self._last, Fraction(1, _TICKS)
        self._container.mux(self._stream.encode(frame))

    def finish(self) -> None:
        """Write what the encoder holds."""
        if self._last >= 0:
            self._container.mux(self._stream.encode(None))


class _Sound:
    """The audio stream of a file: mono at 16 kHz."""

    def __init__(self, container: Any, samples: np.ndarray, codec: str) -> None:
        self._container, self._samples, self._place = container, samples, 0
        self._stream = container.add_stream(codec, rate=RATE, layout="mono")

    def write(self, *, until: float) -> None:
        """Encode the samples before a time in seconds that are not written yet."""
        import av

        while self._place < min(len(self._samples), until * RATE):
            piece = np.ascontiguousarray(self._samples[self._place : self._place + _PIECE])
            frame = av.AudioFrame.from_ndarray(piece[None], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = RATE, self._place, Fraction(1, RATE)
            self._container.mux(self._stream.encode(frame))
            self._place += len(piece)

    def finish(self) -> None:
        """Write what the encoder holds."""
        self._container.mux(self._stream.encode(None))
