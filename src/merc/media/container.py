"""Opening and probing of recordings, shared by audio and video decoding.

Every failure is a MediaError with the file, the problem and the next step. Time zero is the start of the recording:
the earlier start of the chosen audio and the chosen video track (see ``tracks``), so that both are in sync. A start up
to 0.1 s before zero is encoder delay and counts as zero. Joined streams whose clock starts again have one clock for
both (see ``clock``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import Any

from merc.errors import MediaError
from merc.media.clock import STREAMED, Clock, Scan, scan
from merc.media.header import EXPECTED, check_file, not_media, unfinished_avi, wav_end
from merc.media.tracks import Track, Tracks, choose, listed

# Containers of recordings only: the decoder library also reads playlists, subtitles, images and text art as "video",
# and a playlist could make it open other files.
ALLOWED = "mov,matroska,webm,avi,wav,w64,mp3,flac,ogg,aac,mpegts,mpeg,flv,asf,aiff,caf,amr,ac3"
# Their duration is estimated from the bit rate or the last page, so a missing end cannot be detected.
GUESSED = frozenset({"mp3", "aac", "ogg", "mpegts", "mpeg", "amr", "ac3"})
WARM_UP = 0.1  # seconds before zero that are encoder delay
READ_FAILURES = 64  # consecutive read errors after which reading stops
FIRST_PACKETS = 300  # packets in which the first frame is searched: ten seconds of video
ANY_TRACKS = Tracks()


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """The chosen audio track.

    Args:
        codec: Name of the codec.
        rate: Samples per second.
        channels: Number of channels.
        layout: Their layout, such as "stereo" or "5.1".

    Example:
        >>> import merc.sample
        >>> probe(merc.sample.path()).audio
        AudioInfo(codec='aac', rate=48000, channels=1, layout='mono')
    """

    codec: str
    rate: int
    channels: int
    layout: str


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """The chosen video track.

    Args:
        codec: Name of the codec.
        width: Pixels of the upright frame.
        height: Pixels of the upright frame.
        fps: Mean frame rate, or None if the file does not state it.
        rotation: Clockwise degrees (0, 90, 180, 270) by which decoded frames are rotated.

    Example:
        >>> import merc.sample
        >>> probe(merc.sample.path()).video
        VideoInfo(codec='h264', width=640, height=360, fps=25.0, rotation=0)
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
        audio: The chosen audio track, or None.
        video: The chosen video track, or None.
        audio_tracks: All audio tracks.
        video_tracks: All video tracks; attached pictures are none.
        restarts: How often the clock of a joined stream starts again.

    Example:
        >>> import merc.sample
        >>> found = probe(merc.sample.path())
        >>> round(found.duration), found.audio.channels, len(found.video_tracks)
        (51, 1, 1)
    """

    container: str
    duration: float
    audio: AudioInfo | None
    video: VideoInfo | None
    audio_tracks: tuple[Track, ...] = ()
    video_tracks: tuple[Track, ...] = ()
    restarts: int = 0


@dataclass(slots=True)
class Damage:
    """Counts of packets while a stream is decoded.

    Args:
        packets: Packets read.
        damaged: Packets that could not be decoded, and read errors.
        reached: End of the stream in seconds; where only the container states a duration, packets of the other stream
            count too, because this stream may be shorter.
        end: End of the last packet of either stream in seconds.
    """

    packets: int = 0
    damaged: int = 0
    reached: float = 0.0
    end: float = 0.0


@dataclass(frozen=True, slots=True)
class Source:
    """An open recording and the streams of it that are read.

    Args:
        container: The PyAV container.
        audio: The chosen audio stream, or None.
        video: The chosen video stream, or None.
        zero: Time zero of the recording in the container's own seconds (see the top of this file).
        scan: What reading a joined stream through has shown; None for other formats.
    """

    container: Any
    audio: Any | None
    video: Any | None
    zero: float
    scan: Scan | None = None

    @property
    def streams(self) -> list[Any]:
        """The chosen streams."""
        return [stream for stream in (self.audio, self.video) if stream is not None]


def probe(path: str | Path, tracks: Tracks = ANY_TRACKS) -> Probe:
    """Probe a recording without decoding it, except for one frame that gives the rotation.

    Args:
        path: Audio or video file.
        tracks: Which audio and video track are chosen (default: see ``tracks``).

    Returns:
        Container, duration and tracks.

    Raises:
        MediaError: If the file is missing, empty, unreadable, not a regular file, not a recording, has no stream that
            can be decoded, or lacks a requested track.

    Example:
        >>> probe("nowhere.wav")
        Traceback (most recent call last):
        merc.errors.MediaError: nowhere.wav: no such file; expected a recording ...
    """
    with opened(path, tracks) as source:
        container, audio, video = source.container, source.audio, source.video
        return Probe(
            container=container.format.name,
            duration=_duration(path, source, tracks),
            audio=None if audio is None else _audio_info(audio),
            video=None if video is None else _video_info(source, video),
            audio_tracks=listed(container, "audio", audio),
            video_tracks=listed(container, "video", video),
            restarts=source.scan.restarts if source.scan else 0,
        )


@contextmanager
def opened(path: str | Path, tracks: Tracks = ANY_TRACKS) -> Iterator[Source]:
    """Open a recording and choose its tracks; it is closed afterwards.

    Raises:
        MediaError: As ``probe``, or where the decoder library gives up later.
    """
    import av

    file = Path(path)
    with _container(file) as container:
        source = _source(container, file, tracks)
        if source.scan is None and container.format.name in STREAMED:
            found = _scan(str(file.absolute()), file.stat().st_size, file.stat().st_mtime_ns, tracks)
            source = replace(source, scan=found)
        try:
            yield source
        except (av.error.FFmpegError, UnicodeError) as error:
            raise MediaError(
                f"{file.name}: cannot be decoded ({error}); {EXPECTED}; convert it first, for example to mp4"
            ) from error


@contextmanager
def _container(file: Path) -> Iterator[Any]:
    import av

    check_file(file)
    options = {"format_whitelist": ALLOWED, "protocol_whitelist": "file"}
    try:
        container = av.open(str(file.absolute()), options=options, metadata_errors="replace")
    except (av.error.FFmpegError, OSError, ValueError) as error:
        raise MediaError(not_media(file)) from error
    with container:
        yield container


def _source(container: Any, file: Path, tracks: Tracks) -> Source:
    audio = choose(container, "audio", tracks.audio, name=file.name)
    video = choose(container, "video", tracks.video, name=file.name)
    chosen = [stream for stream in (audio, video) if stream is not None]
    if not chosen:
        kinds = ", ".join(stream.type for stream in container.streams) or "none"
        raise MediaError(
            f"{file.name}: no stream that can be decoded (streams: {kinds}); expected audio or video in a known "
            "codec; convert it, for example to mp4 with h264 and aac"
        )
    starts = [float(stream.start_time * stream.time_base) for stream in chosen if stream.start_time is not None]
    first = min(starts, default=0.0)
    return Source(container, audio, video, 0.0 if -WARM_UP < first < 0 else first)


@lru_cache(maxsize=16)
def _scan(path: str, size: int, changed: int, tracks: Tracks) -> Scan:
    """What reading a file through shows; ``size`` and ``changed`` tell a file from what was there before."""
    file = Path(path)
    with _container(file) as container:
        source = _source(container, file, tracks)
        lead = None if source.audio is None else source.audio.index
        return scan(_all_packets(source, Damage()), lead)


def _all_packets(source: Source, damage: Damage) -> Iterator[Any]:
    """The packets of the chosen streams in file order; an error is skipped, but not 64 in a row."""
    import av

    failures = 0
    while failures < READ_FAILURES:
        try:
            for packet in source.container.demux(source.streams):
                failures = 0
                if packet.size:
                    yield packet
            return
        except (av.error.FFmpegError, ValueError):
            failures += 1
            damage.damaged += failures == 1


def packets(source: Source, stream: Any, damage: Damage) -> Iterator[Any]:
    """The packets of one of the chosen streams in file order, on the one clock of the recording.

    Args:
        source: From ``opened``.
        stream: The audio or the video stream of it.
        damage: Updated with counts and positions.
    """
    clock = Clock(source.scan) if source.scan else None
    alone = own_end(stream) is not None and not _unfinished(source.container)
    ticks = {one.index: float(one.time_base) for one in source.streams}
    for packet in _all_packets(source, damage):
        if clock:
            clock.place(packet)
        index = packet.stream.index
        end, own = _end(packet, ticks[index]) - source.zero, index == stream.index
        damage.end = max(damage.end, end)
        if own or not alone:
            damage.reached = max(damage.reached, end)
        if own:
            damage.packets += 1
            yield packet


def decode(context: Any, packet: Any | None, damage: Damage) -> Sequence[Any]:
    """Frames completed by a packet (None: end of stream); a packet that cannot be decoded is counted and skipped."""
    import av

    try:
        frames: Sequence[Any] = context.decode(packet)
    except av.error.EOFError:
        return ()
    except (av.error.FFmpegError, ValueError, OverflowError):
        damage.damaged += 1
        return ()
    return frames


def _end(packet: Any, tick: float) -> float:
    """End of a packet in seconds; minus infinity if it has no timestamp."""
    ticks = packet.pts if packet.pts is not None else packet.dts
    return -math.inf if ticks is None else (ticks + (packet.duration or 0)) * tick


def declared_end(source: Source, stream: Any) -> float | None:
    """End of a stream in seconds from time zero as stated by the file; None if not stated or only estimated.

    If the stream has no duration, that of the container is used.
    """
    container = source.container
    if container.format.name in GUESSED or _unfinished(container):
        return None
    if container.format.name == "wav":
        return wav_end(Path(container.name))
    end = own_end(stream)
    if end is not None:
        return end - source.zero
    return None if container.duration is None else container.duration / 1e6


def _unfinished(container: Any) -> bool:
    return container.format.name == "avi" and unfinished_avi(Path(container.name))


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


def _duration(path: str | Path, source: Source, tracks: Tracks) -> float:
    """Seconds from time zero to the end; a file that does not state it (a live webm) is read without decoding."""
    container = source.container
    if source.scan is not None:
        return max(0.0, source.scan.end - source.zero)
    if container.duration is not None and not _unfinished(container):
        return max(0.0, float((container.start_time or 0) + container.duration) / 1e6 - source.zero)
    damage = Damage()
    with opened(path, tracks) as again:
        for _ in packets(again, again.streams[0], damage):
            pass
    return damage.end


def _audio_info(stream: Any) -> AudioInfo:
    context = stream.codec_context
    return AudioInfo(context.name, context.sample_rate, context.layout.nb_channels, context.layout.name)


def _video_info(source: Source, stream: Any) -> VideoInfo:
    context = stream.codec_context
    rotation = _rotation(source, stream)
    size = (context.width, context.height)
    width, height = size if rotation % 180 == 0 else size[::-1]
    rate = stream.average_rate
    return VideoInfo(context.name, width, height, float(rate) if rate else None, rotation)


def _rotation(source: Source, stream: Any) -> int:
    """Rotation of the first frame that can be decoded; the final None flushes the decoder for a short video."""
    first = islice(packets(source, stream, Damage()), FIRST_PACKETS)
    for packet in chain(first, [None]):
        for frame in decode(stream.codec_context, packet, Damage()):
            return turn(frame)
    return 0


def turn(frame: Any) -> int:
    """Clockwise degrees (0, 90, 180 or 270) that make a decoded frame upright, from its display matrix."""
    return round(-(frame.rotation or 0) / 90) % 4 * 90
