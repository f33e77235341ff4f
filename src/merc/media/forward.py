"""Forward video decoding that skips what no requested time needs.

Packets are buffered undecoded until the next requested time comes near, and dropped if a keyframe arrives before it.
The buffer is bounded, so memory is constant. Damage is detected in three ways: the decoder rejects a packet, it marks a
frame as corrupt, or a reference frame is never output (the h264 decoder does not report those while it skips
non-reference frames, so the headers of the packets are inspected).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from merc.media.container import ANY_TRACKS, Damage, Source, decode, packets
from merc.media.tracks import Tracks
from merc.options import above, between, finite

WIDE_GAP = 0.25  # seconds between decoded frames above which skipping is switched off
LONGEST_RUN = 8  # a longer run of frames is hardly ever all non-reference: if it is missing, that is damage
SMEARED = 10.0  # longest time in seconds that is dropped after damage; the usual maximum keyframe distance
HELD_PACKETS = 600  # bounds of the buffer of undecoded packets
HELD_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How frames are decoded."""

    threads: int = 0  # 0: one per core; the frames do not depend on the number
    skip_unreferenced: bool = True  # about twice as fast; costs at most a quarter of a second of accuracy
    skip_unwanted: bool = True  # parts without a requested time are read, not decoded
    tolerance: float = 0.5  # seconds: half the sampling interval at the default of one frame per second
    tracks: Tracks = ANY_TRACKS

    def __post_init__(self) -> None:
        between(0, 64, threads=self.threads, hint=" (0: one per core)")
        finite(tolerance=self.tolerance)
        above(0, tolerance=self.tolerance, hint=" seconds")


class Reader:
    """Decodes what the requested times need, forward.

    Args:
        source: From ``container.opened``; it has a video stream.
        wanted: Returns the next requested time in seconds; called after every frame.
        options: How frames are decoded.
        on_seconds: Called about once per second of video with the position in seconds.

    Attributes:
        damage: Counts of packets.
        hole: Whether there is damage between the last good frame and the current one.
        ended: Whether the file was read to its end.
    """

    def __init__(
        self,
        source: Source,
        wanted: Callable[[], float],
        *,
        options: VideoOptions,
        on_seconds: Callable[[float], None] | None,
    ) -> None:
        stream: Any = source.video
        self.damage = Damage()
        self.hole = False
        self.ended = False
        self._source, self._stream, self._wanted = source, stream, wanted
        self._lazy, self._on_seconds = options.skip_unwanted, on_seconds or (lambda seconds: None)
        self._zero, self._tick = source.zero, float(stream.time_base)
        self._context = stream.codec_context
        self._context.thread_count = options.threads
        self._context.thread_type = "AUTO"
        if options.skip_unreferenced:
            self._context.skip_frame = "NONREF"
        self._prefix = _length_size(self._context)
        self._held: list[Any] = []
        self._bytes = 0
        self._until = -math.inf  # latest time passed to the decoder
        self._floor = -math.inf  # frames before this lack their reference frames
        self._fed: list[
            tuple[float, bool]
        ] = []  # times passed to the decoder without output yet; whether output is required
        self._last = math.inf  # time of the last decoded frame; infinite before the first
        self._smeared: float | None = None  # time of damage that later frames still depend on

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Decoded, undamaged frames as (seconds from time zero, frame), in order of time."""
        reported = 0.0
        for packet in packets(self._source, self._stream, self.damage):
            time = self._time(packet)
            if packet.is_keyframe and self._held and time is not None and time <= self._wanted():
                self._drop(time)
            self._held.append(packet)
            self._bytes += packet.size
            if time is None or self._needed(time):
                yield from self._release()
            if time is not None and time >= reported + 1:
                reported = time
                self._on_seconds(time)
        self.ended = True
        yield from self._release()
        yield from self._good(decode(self._context, None, self.damage))

    def _needed(self, time: float) -> bool:
        """Whether the buffered packets must be decoded now."""
        full = len(self._held) >= HELD_PACKETS or self._bytes >= HELD_BYTES
        return full or not self._lazy or max(self._until, time) >= self._wanted()

    def _drop(self, keyframe: float) -> None:
        self._held, self._bytes = [], 0
        self._context.flush_buffers()
        self._fed, self._last, self._smeared = [], math.inf, None
        self._floor = keyframe

    def _release(self) -> Iterator[tuple[float, Any]]:
        held, self._held, self._bytes = self._held, [], 0
        for packet in held:
            time = self._time(packet)
            before = self.damage.damaged
            decoded = decode(self._context, packet, self.damage)
            refused = self.damage.damaged > before
            if time is not None:
                self._until = max(self._until, time)
                if not refused:
                    self._fed.append((time, _is_reference(packet, self._prefix)))
            yield from self._good(decoded)
            if refused:
                self._stain(self._until)

    def _good(self, decoded: Sequence[Any]) -> Iterator[tuple[float, Any]]:
        for frame in decoded:
            stamp = frame.pts if frame.pts is not None else frame.dts
            if stamp is None:
                continue
            time = stamp * self._tick - self._zero
            self._watch(time)
            if frame.is_corrupt:
                self.damage.damaged += 1
                self._stain(time)
            elif frame.key_frame or (self._smeared is not None and time > self._smeared + SMEARED):
                self._smeared = None
            if self._smeared is None and time >= self._floor:
                yield time, frame
                self.hole = False

    def _stain(self, time: float) -> None:
        self._smeared, self.hole = time, True

    def _watch(self, time: float) -> None:
        """Detect frames without output: lost ones are damage, skipped ones may leave too wide a gap."""
        last = self._last
        absent = [must for fed, must in self._fed if last + 1e-3 < fed < time - 1e-3]
        lost = sum(absent) or len(absent) * (len(absent) > LONGEST_RUN)
        if lost and not self.hole:
            self.damage.damaged += lost
            self._stain(time)
        if absent and time - last > WIDE_GAP:
            self._context.skip_frame = "DEFAULT"
        self._fed = [(fed, must) for fed, must in self._fed if fed > time + 1e-3]
        self._last = time

    def _time(self, packet: Any) -> float | None:
        stamp = packet.pts if packet.pts is not None else packet.dts
        return None if stamp is None else stamp * self._tick - self._zero


def _length_size(context: Any) -> int:
    """Size in bytes of the length prefix of h264 units (from the avcC header); 0 for other codecs."""
    header = context.extradata
    return (header[4] & 3) + 1 if context.name == "h264" and header and header[0] == 1 and len(header) > 4 else 0


def _is_reference(packet: Any, prefix: int) -> bool:
    """Whether an h264 packet certainly has a reference frame (nal_ref_idc above 0, ITU-T H.264 7.4.1)."""
    if not prefix or packet.is_discard:
        return False
    data, place = memoryview(packet), 0
    while place + prefix < len(data):
        head = data[place + prefix]
        if 1 <= head & 31 <= 5:
            return bool(head & 0x60)
        place += prefix + int.from_bytes(data[place : place + prefix], "big")
    return False
