"""What a recording holds, and how it is opened: the part that sound and pictures share.

Every failure ends as a MediaError that names the file, the problem and the next step. Time zero is the start of the
recording: the earlier of the first audio and the first video stream (cover art does not count), so that sound and
pictures agree. A start up to 0.1 s below zero is an encoder's warm-up, not content, and counts as zero.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from merc.errors import MediaError

# Only containers of recordings: the decoder library also reads playlists, subtitles, pictures and text art as "video",
# and a playlist could make it open other files.
ALLOWED = "mov,matroska,webm,avi,wav,w64,mp3,flac,ogg,aac,mpegts,mpeg,flv,asf,aiff,caf,amr,ac3"
# In these the length is a guess from the bit rate or the last page, so a missing end cannot be told from it.
GUESSED = frozenset({"mp3", "aac", "ogg", "mpegts", "mpeg", "amr", "ac3"})
WARM_UP = 0.1  # seconds below zero that are encoder delay
READ_FAILURES = 64  # read errors in a row after which the rest of a file is given up
FIRST_PACKETS = 300  # packets within which a first picture is looked for: ten seconds of video
EXPECTED = "expected a recording (mp4, mkv, mov, webm, avi, wav, mp3, flac, m4a, ogg or opus)"


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The first audio stream: codec, samples per second, number of channels and their layout ("stereo", "5.1", …)."""

    codec: str
    rate: int
    channels: int
    layout: str


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The first video stream.

    ``width`` and ``height`` are those of the upright picture in pixels; ``fps`` is the mean frame rate, None where the
    file does not say; ``rotation`` the clockwise degrees (0, 90, 180, 270) by which decoded pictures are turned.
    """

    codec: str
    width: int
    height: int
    fps: float | None
    rotation: int


@dataclass(frozen=True, slots=True)
class Probe:
    """What a file holds: container name, duration in seconds (best knowledge), and its first audio and video stream."""

    container: str
    duration: float
    audio: AudioInfo | None
    video: VideoInfo | None


@dataclass(slots=True)
class Damage:
    """A count of what could not be read while a stream is decoded, and how far (seconds) the file reached."""

    packets: int = 0
    damaged: int = 0
    reached: float = 0.0


def probe(path: str | Path) -> Probe:
    """Look at what a recording holds without decoding it, except for one picture that tells the rotation.

    Raises MediaError for a file that is missing, empty, unreadable, a folder, no recording, or has no stream that can
    be decoded.
    """
    with opened(path) as container:
        audio, video = main_audio(container), main_video(container)
        zero = origin(container)
        length = _duration(container, zero)
        sound = None if audio is None else _audio_info(audio)
        picture = None if video is None else _video_info(container, video)
        return Probe(container.format.name, length, sound, picture)


@contextmanager
def opened(path: str | Path) -> Iterator[Any]:
    """Open a recording for reading as a PyAV container and close it afterwards; raises MediaError as ``probe`` does."""
    import av

    file = Path(path)
    _check_file(file)
    options = {"format_whitelist": ALLOWED, "protocol_whitelist": "file"}
    try:
        container = av.open(str(file.absolute()), options=options, metadata_errors="replace")
    except PermissionError as error:
        raise MediaError(_no_permission(file)) from error
    except (av.error.FFmpegError, OSError) as error:
        raise MediaError(_not_media(file)) from error
    with container:
        if main_audio(container) is None and main_video(container) is None:
            kinds = ", ".join(stream.type for stream in container.streams) or "none"
            raise MediaError(
                f"{file.name}: no stream that can be decoded (streams: {kinds}); expected sound or video in a known "
                "codec; convert it, for instance to mp4 with h264 and aac"
            )
        yield container


def main_audio(container: Any) -> Any | None:
    """The first audio stream that can be decoded, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def main_video(container: Any) -> Any | None:
    """The first video stream that can be decoded and is not an attached picture (cover art), or None."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    films = (stream for stream in container.streams.video if stream.codec_context is not None)
    return next((stream for stream in films if not stream.disposition & still), None)


def origin(container: Any) -> float:
    """Time zero of the recording in the container's own seconds (see the top of this file)."""
    streams = [stream for stream in (main_audio(container), main_video(container)) if stream is not None]
    starts = [float(s.start_time * s.time_base) for s in streams if s.start_time is not None]
    first = min(starts, default=0.0)
    return 0.0 if -WARM_UP < first < 0 else first


def packets(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """The packets of one stream in file order; ``damage`` learns how far the file reached, and of read errors.

    After a read error reading goes on; 64 in a row end it. Where only the container says how long it is, the other
    stream counts for ``damage.reached`` too: this one may just be shorter.
    """
    import av

    zero, failures = origin(container), 0
    ticks = {s.index: float(s.time_base) for s in container.streams if s.time_base}
    streams = [stream]
    if own_end(stream) is None:
        streams = [s for s in (main_audio(container), main_video(container)) if s is not None]
    while failures < READ_FAILURES:
        try:
            for packet in container.demux(streams):
                failures = 0
                if not packet.size:
                    continue
                index = packet.stream.index
                damage.reached = max(damage.reached, _end(packet, ticks[index]) - zero)
                if index == stream.index:
                    damage.packets += 1
                    yield packet
            return
        except av.error.FFmpegError:
            failures += 1
            damage.damaged += failures == 1


def decode(context: Any, packet: Any | None, damage: Damage) -> Sequence[Any]:
    """The frames that one packet (None: the end) completes; a packet that cannot be decoded is counted and skipped."""
    import av

    try:
        frames: Sequence[Any] = context.decode(packet)
    except av.error.EOFError:
        return ()
    except av.error.FFmpegError:
        damage.damaged += 1
        return ()
    return frames


def _end(packet: Any, tick: float) -> float:
    """Where a packet ends in seconds; minus infinity when the file does not say."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return -math.inf if stamp is None else (stamp + (packet.duration or 0)) * tick


def declared_end(container: Any, stream: Any) -> float | None:
    """Where the file says that a stream ends, in seconds from time zero; None where it does not say or only guesses.

    Without a length of the stream itself that of the whole container counts.
    """
    if container.format.name in GUESSED:
        return None
    if container.format.name == "wav":
        return _wav_end(Path(container.name))
    end = own_end(stream)
    if end is not None:
        return end - origin(container)
    return None if container.duration is None else container.duration / 1e6


def own_end(stream: Any) -> float | None:
    """Where a stream itself, rather than its container, says that it ends, in the container's own seconds."""
    if stream.duration is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    clock = stream.metadata.get("DURATION", "").split(":")  # Matroska: hours:minutes:seconds
    try:
        return 3600 * float(clock[0]) + 60 * float(clock[1]) + float(clock[2]) if len(clock) == 3 else None
    except ValueError:
        return None


def lost_end(end: float | None, reached: float, *, what: str) -> str | None:
    """Say that the end of a stream is missing; None when what was reached is within 0.3 s of the declared end."""
    if end is None or end - reached <= 0.3:
        return None
    return f"the last {end - reached:.1f} s of {end:.1f} s of {what} could not be decoded (the file is cut off)"


def _check_file(file: Path) -> None:
    if file.is_dir():
        raise MediaError(f"{file}: is a folder; {EXPECTED}; name one file in it")
    if not file.exists():
        raise MediaError(f"{file}: no such file; {EXPECTED}; check the spelling and the folder")
    if not os.access(file, os.R_OK):
        raise MediaError(_no_permission(file))
    if file.is_file() and file.stat().st_size == 0:
        raise MediaError(f"{file.name}: is empty (0 bytes); {EXPECTED}; copy or record it again")


def _no_permission(file: Path) -> str:
    return f"{file}: no permission to read it; expected a readable file; grant it, for instance with chmod u+r"


def _not_media(file: Path) -> str:
    try:
        with file.open("rb") as source:
            head = source.read(4096)
    except PermissionError:
        return _no_permission(file)
    if head[4:8] == b"ftyp" and not _has_box(file, b"moov"):
        return (
            f"{file.name}: its index (the moov box) is missing, so nothing can be decoded: the recording was cut off "
            "or is still being written; copy it again, or let the device that recorded it repair it"
        )
    if _is_text(head):
        return f"{file.name}: holds text, not sound or video, whatever its ending says; {EXPECTED}; name the recording"
    return f"{file.name}: is not a recording that can be read, or is damaged at its start; {EXPECTED}; convert it first"


def _has_box(file: Path, name: bytes) -> bool:
    """Whether an mp4/mov file has this top-level box, whole or cut off."""
    size, place = file.stat().st_size, 0
    with file.open("rb") as source:
        while place + 8 <= size:
            source.seek(place)
            head = source.read(16)
            length = int.from_bytes(head[:4], "big")
            if head[4:8] == name:
                return True
            if length == 1:
                length = int.from_bytes(head[8:16], "big")
            if length < 8:
                return False
            place += length
    return False


def _wav_end(file: Path) -> float | None:
    """Seconds of sound that the header of a wav file announces, which the decoder library cuts to the file's size."""
    place, rate = 12, 0
    with file.open("rb") as source:
        while True:
            source.seek(place)
            head = source.read(24)
            name, length = head[:4], int.from_bytes(head[4:8], "little")
            if len(head) < 8 or length in (0, 0xFFFFFFFF):  # unknown: written to a pipe, or larger than 4 GB
                return None
            if name == b"fmt ":
                rate = int.from_bytes(head[16:20], "little")
            if name == b"data":
                return length / rate if rate else None
            place += 8 + length + length % 2


def _is_text(head: bytes) -> bool:
    try:
        head[:-4].decode() if len(head) > 4 else head.decode()
    except UnicodeDecodeError as error:
        if error.start < len(head) - 8:
            return False
    return b"\0" not in head


def _duration(container: Any, zero: float) -> float:
    """Seconds from time zero to the end; a file that does not say (a live webm) is read through without decoding."""
    if container.duration is not None:
        return max(0.0, float((container.start_time or 0) + container.duration) / 1e6 - zero)
    streams = [stream for stream in (main_audio(container), main_video(container)) if stream is not None]
    damage = Damage()
    for _ in packets(container, streams[0], damage):
        pass
    container.seek(0)
    return damage.reached


def _audio_info(stream: Any) -> AudioInfo:
    context = stream.codec_context
    return AudioInfo(context.name, context.sample_rate, context.layout.nb_channels, context.layout.name)


def _video_info(container: Any, stream: Any) -> VideoInfo:
    context = stream.codec_context
    rotation = _rotation(container, stream)
    size = (context.width, context.height)
    width, height = size if rotation % 180 == 0 else size[::-1]
    rate = stream.average_rate
    return VideoInfo(context.name, width, height, float(rate) if rate else None, rotation)


def _rotation(container: Any, stream: Any) -> int:
    """The turn of the first picture that can be decoded (None ends decoding: a short film gives its pictures then)."""
    first = islice(packets(container, stream, Damage()), FIRST_PACKETS)
    for packet in chain(first, [None]):
        for frame in decode(stream.codec_context, packet, Damage()):
            return turn(frame)
    return 0


def turn(frame: Any) -> int:
    """The clockwise degrees (0, 90, 180 or 270) that bring a decoded picture upright, from its display matrix."""
    return round(-(frame.rotation or 0) / 90) % 4 * 90
