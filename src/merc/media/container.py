"""Opening and probing of recordings, shared by audio and video decoding.

Every failure is a MediaError with the file, the problem and the next step. Time zero is the start of the recording:
the earlier start of the first audio and the first video stream (not cover art), so that audio and video are in sync.
A start up to 0.1 s before zero is encoder delay and counts as zero.
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

# Containers of recordings only: the decoder library also reads playlists, subtitles, images and text art as "video",
# and a playlist could make it open other files.
ALLOWED = "mov,matroska,webm,avi,wav,w64,mp3,flac,ogg,aac,mpegts,mpeg,flv,asf,aiff,caf,amr,ac3"
# Their duration is estimated from the bit rate or the last page, so a missing end cannot be detected.
GUESSED = frozenset({"mp3", "aac", "ogg", "mpegts", "mpeg", "amr", "ac3"})
WARM_UP = 0.1  # seconds before zero that are encoder delay
READ_FAILURES = 64  # consecutive read errors after which reading stops
FIRST_PACKETS = 300  # packets in which the first frame is searched: ten seconds of video
EXPECTED = "expected a recording (mp4, mkv, mov, webm, avi, wav, mp3, flac, m4a, ogg or opus)"


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The first audio stream.

    Args:
        codec: Name of the codec.
        rate: Samples per second.
        channels: Number of channels.
        layout: Their layout, such as "stereo" or "5.1".
    """

    codec: str
    rate: int
    channels: int
    layout: str


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The first video stream.

    Args:
        codec: Name of the codec.
        width: Pixels of the upright frame.
        height: Pixels of the upright frame.
        fps: Mean frame rate, or None if the file does not state it.
        rotation: Clockwise degrees (0, 90, 180, 270) by which decoded frames are rotated.
    """

    codec: str
    width: int
    height: int
    fps: float | None
    rotation: int


@dataclass(frozen=True, slots=True)
class Probe:
    """The content of a recording.

    Args:
        container: Name of the container format.
        duration: Seconds, possibly estimated.
        audio: First audio stream, or None.
        video: First video stream, or None.
    """

    container: str
    duration: float
    audio: AudioInfo | None
    video: VideoInfo | None


@dataclass(slots=True)
class Damage:
    """Counts of packets while a stream is decoded.

    Args:
        packets: Packets read.
        damaged: Packets that could not be decoded, and read errors.
        reached: End of the last packet in seconds.
    """

    packets: int = 0
    damaged: int = 0
    reached: float = 0.0


def probe(path: str | Path) -> Probe:
    """Probe a recording without decoding it, except for one frame that gives the rotation.

    Raises:
        MediaError: If the file is missing, empty, unreadable, a folder, not a recording, or has no stream that can be
            decoded.
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
    """Open a recording as a PyAV container, and close it afterwards.

    Raises:
        MediaError: As ``probe``.
    """
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
                f"{file.name}: no stream that can be decoded (streams: {kinds}); expected audio or video in a known "
                "codec; convert it, for example to mp4 with h264 and aac"
            )
        yield container


def main_audio(container: Any) -> Any | None:
    """The first audio stream that can be decoded, or None."""
    return next((stream for stream in container.streams.audio if stream.codec_context is not None), None)


def main_video(container: Any) -> Any | None:
    """The first video stream that can be decoded and is not an attached picture (cover art), or None."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    candidates = (stream for stream in container.streams.video if stream.codec_context is not None)
    return next((stream for stream in candidates if not stream.disposition & still), None)


def _main_streams(container: Any) -> list[Any]:
    return [stream for stream in (main_audio(container), main_video(container)) if stream is not None]


def origin(container: Any) -> float:
    """Time zero of the recording in the container's own seconds (see the top of this file)."""
    streams = _main_streams(container)
    starts = [float(s.start_time * s.time_base) for s in streams if s.start_time is not None]
    first = min(starts, default=0.0)
    return 0.0 if -WARM_UP < first < 0 else first


def packets(container: Any, stream: Any, damage: Damage) -> Iterator[Any]:
    """The packets of one stream in file order.

    Reading continues after a read error, but stops after 64 in a row.

    Args:
        container: From ``opened``.
        stream: One of its streams.
        damage: Updated with counts and position. If only the container states a duration, packets of the other stream
            count for ``damage.reached`` too, because this stream may be shorter.
    """
    import av

    zero, failures = origin(container), 0
    ticks = {s.index: float(s.time_base) for s in container.streams if s.time_base}
    streams = [stream] if own_end(stream) is not None else _main_streams(container)
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
    """Frames completed by a packet (None: end of stream); a packet that cannot be decoded is counted and skipped."""
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
    """End of a packet in seconds; minus infinity if it has no timestamp."""
    stamp = packet.pts if packet.pts is not None else packet.dts
    return -math.inf if stamp is None else (stamp + (packet.duration or 0)) * tick


def declared_end(container: Any, stream: Any) -> float | None:
    """End of a stream in seconds from time zero as stated by the file; None if not stated or only estimated.

    If the stream has no duration, that of the container is used.
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
    """End of a stream by its own metadata, not that of the container, in seconds of the container."""
    if stream.duration is not None:
        return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
    clock = stream.metadata.get("DURATION", "").split(":")  # Matroska: hours:minutes:seconds
    try:
        return 3600 * float(clock[0]) + 60 * float(clock[1]) + float(clock[2]) if len(clock) == 3 else None
    except ValueError:
        return None


def lost_end(end: float | None, reached: float, *, what: str) -> str | None:
    """Sentence on a missing end of a stream; None if the position reached is within 0.3 s of the declared end."""
    if end is None or end - reached <= 0.3:
        return None
    return f"the last {end - reached:.1f} s of {end:.1f} s of {what} could not be decoded (the file is truncated)"


def _check_file(file: Path) -> None:
    if file.is_dir():
        raise MediaError(f"{file}: is a folder; {EXPECTED}; give one file in it")
    if not file.exists():
        raise MediaError(f"{file}: no such file; {EXPECTED}; check the spelling and the folder")
    if not os.access(file, os.R_OK):
        raise MediaError(_no_permission(file))
    if file.is_file() and file.stat().st_size == 0:
        raise MediaError(f"{file.name}: is empty (0 bytes); {EXPECTED}; copy or record it again")


def _no_permission(file: Path) -> str:
    return f"{file}: no permission to read it; expected a readable file; grant it, for example with chmod u+r"


def _not_media(file: Path) -> str:
    try:
        with file.open("rb") as source:
            head = source.read(4096)
    except PermissionError:
        return _no_permission(file)
    if head[4:8] == b"ftyp" and not _has_box(file, b"moov"):
        return (
            f"{file.name}: its index (the moov box) is missing, so it cannot be decoded: the recording was interrupted "
            "or is still being written; copy it again, or repair it on the device that recorded it"
        )
    if _is_text(head):
        return f"{file.name}: is a text file despite its extension; {EXPECTED}; give the recording"
    return f"{file.name}: is not a recording in a known format, or its start is damaged; {EXPECTED}; convert it first"


def _has_box(file: Path, name: bytes) -> bool:
    """Whether an mp4/mov file has this top-level box, complete or truncated."""
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
    """Seconds of audio by the header of a wav file; the decoder library limits them to the size of the file."""
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
    """Seconds from time zero to the end; a file without a duration (a live webm) is read without decoding."""
    if container.duration is not None:
        return max(0.0, float((container.start_time or 0) + container.duration) / 1e6 - zero)
    damage = Damage()
    for _ in packets(container, _main_streams(container)[0], damage):
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
    """Rotation of the first frame that can be decoded; the final None flushes the decoder for a short video."""
    first = islice(packets(container, stream, Damage()), FIRST_PACKETS)
    for packet in chain(first, [None]):
        for frame in decode(stream.codec_context, packet, Damage()):
            return turn(frame)
    return 0


def turn(frame: Any) -> int:
    """Clockwise degrees (0, 90, 180 or 270) that make a decoded frame upright, from its display matrix."""
    return round(-(frame.rotation or 0) / 90) % 4 * 90
