"""Decodes the video of a recording forward, but only what a wanted time may need.

Packets are held back undecoded until the next wanted time comes near; a keyframe that arrives before it makes them
superfluous. The bounds on what is held keep memory flat. Damage is noticed in three ways: the decoder refuses a
packet, it marks a picture as corrupt, or a picture that others refer to never comes out (while it skips non-reference
frames the h264 decoder is silent about those, so the packets' own headers are asked).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from merc.errors import InputError
from merc.media.container import Damage, decode, main_video, origin, packets

WIDE_GAP = 0.25  # seconds between decoded pictures from which skipping is switched off
LONGEST_RUN = 8  # more pictures than this in a row are hardly ever all unreferenced: their absence is damage
SMEARED = 10.0  # longest stretch, in seconds, withheld after damage; the usual longest keyframe distance
HELD_PACKETS = 600  # bounds of what is held back undecoded
HELD_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class VideoOptions:
    """How pictures are decoded."""

    threads: int = 0  # 0: as many as there are cores; decoding gives the same pictures with any number
    skip_unreferenced: bool = True  # about twice as fast; costs at most a quarter of a second of accuracy
    skip_unwanted: bool = True  # stretches without a wanted time are read, not decoded
    tolerance: float = 0.5  # seconds: half the distance of samples at the default one picture a second

    def __post_init__(self) -> None:
        if not 0 <= self.threads <= 64:
            raise InputError(f"threads {self.threads}: expected 0 (as many as there are cores) to 64")
        if not (math.isfinite(self.tolerance) and self.tolerance > 0):
            raise InputError(f"tolerance {self.tolerance} s: expected a positive number of seconds")


class Reader:
    """Decodes forward what the wanted times may need.

    ``wanted`` gives the next wanted time; it is asked again after every picture. ``hole`` tells whether damage lies
    between the last good picture and the one that is being given out.
    """

    def __init__(
        self,
        container: Any,
        wanted: Callable[[], float],
        *,
        options: VideoOptions,
        on_seconds: Callable[[float], None] | None,
    ) -> None:
        stream: Any = main_video(container)
        self.damage = Damage()
        self.hole = False
        self.ended = False  # whether the file was read to its end
        self._container, self._stream, self._wanted = container, stream, wanted
        self._lazy, self._on_seconds = options.skip_unwanted, on_seconds
        self._zero, self._tick = origin(container), float(stream.time_base)
        self._context = stream.codec_context
        self._context.thread_count = options.threads
        self._context.thread_type = "AUTO"
        if options.skip_unreferenced:
            self._context.skip_frame = "NONREF"
        self._prefix = _length_size(self._context)
        self._held: list[Any] = []
        self._bytes = 0
        self._until = -math.inf  # latest time given to the decoder
        self._floor = -math.inf  # pictures before this lack what they refer to
        self._fed: list[tuple[float, bool]] = []  # times given to the decoder and not yet seen; whether they must come
        self._last: float | None = None  # time of the last decoded picture
        self._smeared: float | None = None  # time of the damage that pictures still build on

    def frames(self) -> Iterator[tuple[float, Any]]:
        """Decoded, undamaged pictures as (seconds from time zero, frame), in order of time."""
        told = 0.0
        for packet in packets(self._container, self._stream, self.damage):
            time = self._time(packet)
            if packet.is_keyframe and self._held and time is not None and time <= self._wanted():
                self._drop(time)
            self._held.append(packet)
            self._bytes += packet.size
            if time is None or self._needed(time):
                yield from self._release()
            if self._on_seconds is not None and time is not None and time >= told + 1:
                told = time
                self._on_seconds(time)
        self.ended = True
        yield from self._release()
        yield from self._good(decode(self._context, None, self.damage))

    def _needed(self, time: float) -> bool:
        """Whether the packets held back must be decoded now."""
        full = len(self._held) >= HELD_PACKETS or self._bytes >= HELD_BYTES
        return full or not self._lazy or max(self._until, time) >= self._wanted()

    def _drop(self, keyframe: float) -> None:
        self._held, self._bytes = [], 0
        self._context.flush_buffers()
        self._fed, self._last, self._smeared = [], None, None
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
        """Look for pictures that did not come out: lost ones are damage, skipped ones may leave too wide a gap."""
        last = time if self._last is None else self._last
        absent = [must for fed, must in self._fed if last + 1e-3 < fed < time - 1e-3]
        lost = sum(absent) or (len(absent) if len(absent) > LONGEST_RUN else 0)
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
    """Bytes of the length before each unit of an h264 packet (from the avcC header); 0 for anything else."""
    header = context.extradata
    return (header[4] & 3) + 1 if context.name == "h264" and header and header[0] == 1 and len(header) > 4 else 0


def _is_reference(packet: Any, prefix: int) -> bool:
    """Whether an h264 packet surely holds a picture that others refer to (nal_ref_idc above 0, ITU-T H.264 7.4.1)."""
    if not prefix or packet.is_discard:
        return False
    data, place = memoryview(packet), 0
    while place + prefix < len(data):
        head = data[place + prefix]
        if 1 <= head & 31 <= 5:
            return bool(head & 0x60)
        place += prefix + int.from_bytes(data[place : place + prefix], "big")
    return False
