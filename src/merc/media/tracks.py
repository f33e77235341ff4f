"""Which audio and video track of a recording is read: the requested, else the default-flagged, else the first one.

Tracks are numbered from 1 among those of their kind, in file order. Attached pictures (cover art, thumbnails) are no
video tracks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from merc.errors import MediaError
from merc.options import at_least


@dataclass(frozen=True, slots=True)
class Tracks:
    """The tracks to read, by number.

    Args:
        audio: Number of the audio track; None: the default-flagged one, else the first.
        video: Number of the video track; None likewise.

    Raises:
        InputError: A number is below 1.
    """

    audio: int | None = None
    video: int | None = None

    def __post_init__(self) -> None:
        at_least(1, audio_track=self.audio, video_track=self.video, hint=" (tracks are numbered from 1)")


@dataclass(frozen=True, slots=True)
class Track:
    """One track of a recording.

    Args:
        number: From 1 among the tracks of its kind.
        description: Codec, size or channels, language, title and flags in words, such as "aac, stereo, deu, default".
        chosen: Whether it is the one that is read.
    """

    number: int
    description: str
    chosen: bool

    def __str__(self) -> str:
        return f"{self.number} ({self.description})"


def streams_of(container: Any, kind: str) -> list[Any]:
    """The streams of a PyAV container that are tracks of a kind, "audio" or "video", in file order."""
    from av.stream import Disposition

    still = Disposition.attached_pic | Disposition.timed_thumbnails
    return [stream for stream in getattr(container.streams, kind) if kind == "audio" or not stream.disposition & still]


def choose(container: Any, kind: str, number: int | None, *, name: str) -> Any | None:
    """The stream that is read, or None where the recording has none of its kind that can be decoded.

    Raises:
        MediaError: There is no track of the given number, or it cannot be decoded.
    """
    streams = streams_of(container, kind)
    if number is None:
        return _usual(streams)
    if number > len(streams) or streams[number - 1].codec_context is None:
        numbered = ", ".join(f"{place} ({describe(stream)})" for place, stream in enumerate(streams, 1))
        raise MediaError(
            f"{name}: {kind} track {number} is not one that can be decoded; it has "
            f"{f'{kind} track {numbered}' if streams else f'no {kind} track'}; choose another with --{kind}-track"
        )
    return streams[number - 1]


def _usual(streams: Sequence[Any]) -> Any | None:
    """The default-flagged stream, else the first, of those that can be decoded."""
    from av.stream import Disposition

    known = [stream for stream in streams if stream.codec_context is not None]
    flagged = (stream for stream in known if stream.disposition & Disposition.default)
    return next(flagged, known[0] if known else None)


def listed(container: Any, kind: str, chosen: Any | None) -> tuple[Track, ...]:
    """All tracks of a kind."""
    return tuple(
        Track(number, describe(stream), chosen is not None and stream.index == chosen.index)
        for number, stream in enumerate(streams_of(container, kind), 1)
    )


def describe(stream: Any) -> str:
    """A track in words: codec, channels or size, language, title and whether it is flagged as default."""
    from av.stream import Disposition

    context = stream.codec_context
    parts = ["unknown codec"] if context is None else [context.name.removesuffix("float"), _shape(stream, context)]
    parts += [stream.metadata.get(name, "")[:40] for name in ("language", "title")]
    if stream.disposition & Disposition.default:
        parts.append("default")
    return ", ".join(part for part in parts if part and part != "und")


def note(tracks: Sequence[Track], kind: str) -> str | None:
    """Sentence on the tracks that are not read; None where there is only one."""
    chosen = next((track for track in tracks if track.chosen), None)
    if len(tracks) < 2 or chosen is None:
        return None
    others = ", ".join(str(track) for track in tracks if not track.chosen)
    return f"{kind} track {chosen} is used, not {others}; --{kind}-track chooses another"


def _shape(stream: Any, context: Any) -> str:
    return f"{context.width}x{context.height}" if stream.type == "video" else str(context.layout.name)
