"""One clock for all tracks of a stream whose time stamps start again, as in transport streams that were joined.

MPEG transport and program streams and FLV carry a clock in every packet and state no length. Where recordings of these
formats are joined, it starts again. Such files are read through once without decoding: each restart begins a new part,
which is placed behind the part before it, for sound and picture alike.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

STREAMED = frozenset({"mpegts", "mpeg", "flv"})
"""Formats whose clock may start again."""
REWIND = 1.0
"""Seconds; time stamps that jump back further are a restarted clock, not an overlap."""
JUMP = 600.0
"""Seconds; time stamps that jump ahead further are a restarted clock, not a gap."""
LONGEST_PACKET = 10.0
"""Seconds; a longer packet is a length that was guessed across a restart."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What reading a stream through has shown.

    Args:
        shifts: Seconds to add to the time stamps of each part, by index of the stream.
        end: The latest end of a packet in seconds of the container, after the shifts.
    """

    shifts: dict[int, tuple[float, ...]]
    end: float

    @property
    def restarts(self) -> int:
        """How often the clock starts again."""
        return max((len(shifts) for shifts in self.shifts.values()), default=1) - 1


@dataclass(slots=True)
class _Part:
    """Where the packets between two restarts begin and end, by index of the stream."""

    starts: dict[int, float] = field(default_factory=dict)
    ends: dict[int, float] = field(default_factory=dict)

    def add(self, packet: Any, now: float) -> None:
        """Count a packet whose decoding time is ``now`` seconds."""
        index = packet.stream.index
        shown = now if _mixed(packet) else float(packet.pts * packet.time_base)
        length = float((packet.duration or 0) * packet.time_base)
        end = shown + (length if length <= LONGEST_PACKET else 0.0)
        self.starts[index] = min(self.starts.get(index, math.inf), shown)
        self.ends[index] = max(self.ends.get(index, -math.inf), end)


def stamp(packet: Any) -> float | None:
    """Decoding time of a packet in seconds of the container (its presentation time where it has no other)."""
    ticks = packet.dts if packet.dts is not None else packet.pts
    return None if ticks is None else float(ticks * packet.time_base)


def _mixed(packet: Any) -> bool:
    """Whether a packet has no presentation time, or that of another part: so it may be on both sides of a restart."""
    if packet.pts is None or packet.dts is None:
        return packet.pts is None
    return abs(float((packet.pts - packet.dts) * packet.time_base)) > REWIND


def restarts(before: float | None, now: float) -> bool:
    """Whether the clock started again between two consecutive packets of a stream."""
    return before is not None and not -REWIND <= now - before <= JUMP


def scan(packets: Iterable[Any], lead: int | None) -> Scan:
    """Find the parts of a stream and place each behind the one before.

    Args:
        packets: All packets of the chosen streams, in file order.
        lead: Index of the stream that gets no gap (the sound); None: any.
    """
    parts: list[_Part] = [_Part()]
    last: dict[int, float] = {}
    passed: dict[int, list[int]] = {}
    for packet in packets:
        now, index = stamp(packet), packet.stream.index
        if now is None:
            continue
        numbers = passed.setdefault(index, [0])
        if restarts(last.get(index), now):
            if numbers[-1] == len(parts) - 1:  # the first stream to restart; the others follow it
                parts.append(_Part())
            numbers.append(len(parts) - 1)
        last[index] = now
        parts[numbers[-1]].add(packet, now)
    shifts = _shifts(parts, lead)
    ends = [end + shift for part, shift in zip(parts, shifts, strict=True) for end in part.ends.values()]
    return Scan({index: tuple(shifts[n] for n in numbers) for index, numbers in passed.items()}, max([0.0, *ends]))


def _shifts(parts: list[_Part], lead: int | None) -> list[float]:
    """Seconds to add to each part so that it begins where the one before ends."""
    shifts = [0.0]
    for before, after in pairwise(parts):
        if lead is not None and lead in before.ends and lead in after.starts:
            end, start = before.ends[lead], after.starts[lead]
        else:
            end, start = max(before.ends.values(), default=0.0), min(after.starts.values(), default=0.0)
        shifts.append(shifts[-1] + end - start)
    return shifts


class Clock:
    """Moves the time stamps of packets, in file order, onto the one clock of a scan."""

    def __init__(self, found: Scan) -> None:
        self._shifts = found.shifts
        self._last: dict[int, float] = {}
        self._part: dict[int, int] = {}

    def place(self, packet: Any) -> None:
        """Shift the time stamps of one packet in place."""
        now, index = stamp(packet), packet.stream.index
        shifts = self._shifts.get(index)
        if now is None or shifts is None or len(shifts) < 2:
            return
        if restarts(self._last.get(index), now):
            self._part[index] = min(len(shifts) - 1, self._part.get(index, 0) + 1)
        self._last[index] = now
        if _mixed(packet):
            packet.pts = packet.dts
        ticks = round(shifts[self._part.get(index, 0)] / packet.time_base)
        if ticks:
            packet.pts = None if packet.pts is None else packet.pts + ticks
            packet.dts = None if packet.dts is None else packet.dts + ticks
