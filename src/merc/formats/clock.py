"""Times as files write them: whole milliseconds, ``hh:mm:ss,mmm`` stamps and seconds."""

from __future__ import annotations

import re

from merc.conversation import Segment

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d{1,3})?", re.IGNORECASE)
_CLOCK = re.compile(r"(-?)(?:(\d{1,6}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d*)?)")


def milliseconds(segment: Segment) -> tuple[int, int]:
    """Start and end in whole milliseconds; a segment shorter than that is widened to one millisecond."""
    start = round(segment.start * 1000)
    return start, max(start + 1, round(segment.end * 1000))


def seconds(thousandths: int) -> str:
    """Milliseconds as seconds with three decimals: 12345 becomes ``12.345``."""
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def stamp(thousandths: int, *, mark: str) -> str:
    """Milliseconds as ``hh:mm:ss``, the decimal mark and three decimals; hours may take more than two digits."""
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def parse(text: str) -> float | None:
    """Read seconds (``12.5``, ``12,5``) or a clock time (``[hh:]mm:ss[.,]mmm``) as seconds; None for an empty text.

    Negative times are returned as they are, for the caller to judge. Raises ValueError for anything else.
    """
    written = text.strip()
    if not written:
        return None
    if _NUMBER.fullmatch(written):
        return float(written.replace(",", "."))
    if not (match := _CLOCK.fullmatch(written)):
        raise ValueError(f"'{text}' is not a time: expected seconds or hh:mm:ss.mmm")
    sign, hours, minutes, rest = match.groups()
    whole, _, fraction = rest.replace(",", ".").partition(".")
    total = int(hours or 0) * 3600 + int(minutes) * 60 + int(whole) + float(f"0.{fraction or 0}")
    return round(-total if sign else total, 6)
