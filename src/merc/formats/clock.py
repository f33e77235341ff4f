"""Conversion of times: milliseconds, ``hh:mm:ss,mmm`` timestamps, seconds."""

from __future__ import annotations

import re

from merc.conversation import Segment

_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)(e[-+]?\d{1,3})?", re.IGNORECASE)
_CLOCK = re.compile(r"(-?)(?:(\d{1,6}):)?(\d{1,3}):(\d{1,2}(?:[.,]\d*)?)")


def milliseconds(segment: Segment) -> tuple[int, int]:
    """Start and end in whole milliseconds.

    Returns:
        ``(start, end)`` with ``end > start``: a segment that rounds to nothing becomes 1 ms long.

    Example:
        >>> milliseconds(Segment(1.0, 2.5))
        (1000, 2500)
    """
    start = round(segment.start * 1000)
    return start, max(start + 1, round(segment.end * 1000))


def seconds(thousandths: int) -> str:
    """Format milliseconds as seconds with three decimals.

    Example:
        >>> seconds(12345)
        '12.345'
    """
    return f"{thousandths // 1000}.{thousandths % 1000:03d}"


def stamp(thousandths: int, *, mark: str) -> str:
    """Format milliseconds as a timestamp; hours may have more than two digits.

    Args:
        thousandths: Milliseconds.
        mark: Decimal mark: a comma in SubRip, a point in WebVTT.

    Example:
        >>> stamp(3_725_250, mark=",")
        '01:02:05,250'
    """
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}{mark}{rest % 1000:03d}"


def parse(text: str) -> float | None:
    """Parse a time.

    Args:
        text: Seconds (``12.5`` or ``12,5``) or a timestamp (``[hh:]mm:ss[.,]mmm``).

    Returns:
        Seconds, which may be negative; None for an empty text.

    Raises:
        ValueError: If the text is not a time.

    Example:
        >>> parse("12,5"), parse("1:02.5"), parse("")
        (12.5, 62.5, None)
    """
    written = text.strip()
    if not written:
        return None
    if _NUMBER.fullmatch(written):
        return float(written.replace(",", "."))
    if not (match := _CLOCK.fullmatch(written)):
        raise ValueError(f"'{text[:80]}' is not a time: expected seconds or hh:mm:ss.mmm")
    sign, hours, minutes, rest = match.groups()
    whole, _, fraction = rest.replace(",", ".").partition(".")
    total = int(hours or 0) * 3600 + int(minutes) * 60 + int(whole) + float(f"0.{fraction or 0}")
    return round(-total if sign else total, 6)
