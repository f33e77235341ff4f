"""Cues of subtitle files as people have them: odd arrows, lost blank lines, text behind the times, missing hours.

A line that looks like a time line starts a cue, whatever its arrow, and is never text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from merc.formats.source import Item

_CLOCK = r"-?\d{1,6}\s?[:.]\s?\d{1,2}(?:\s?[:.]\s?\d{1,2})?(?:\s?[.,;:]\s?\d{1,9})?"
_LONG = r"-?\d{1,6}\s?:\s?\d{1,2}(?:\s?:\s?\d{1,2}(?:\s?[.,;:]\s?\d{1,9})?|\s?[.,;]\s?\d{1,9})"
_SECONDS = r"\d{1,9}[.,]\d{1,9}"
_TIME = rf"(?:{_CLOCK}|{_SECONDS})"
_ARROW = r"(?:[-–—−‐=~]\s?){0,3}(?:[>→⟶➔➜»]|&gt;|\u2192)"
_DASH = r"(?:-{1,3}|[–—−‐~,;]|\bto\b)"
_OPEN, _CLOSE = r"[\s\ufeff\u200e\u200f\u202a-\u202e\[({<|*\"']*", r"[\])}>|*\"']*"
_RANGES = (
    re.compile(rf"{_OPEN}(?P<start>{_TIME})\s*{_ARROW}\s*(?P<end>{_TIME})(?![\w:]){_CLOSE}(?P<tail>.*)"),
    re.compile(rf"{_OPEN}(?P<start>{_LONG})\s*{_DASH}\s*(?P<end>{_LONG})(?![\w:]){_CLOSE}(?P<tail>.*)"),
)
_HALF = (
    re.compile(rf"{_OPEN}(?P<start>{_TIME})\s*{_ARROW}.*"),
    re.compile(rf"{_OPEN}{_ARROW}\s*(?P<end>{_TIME}){_CLOSE}\s*"),
)
_SETTINGS = re.compile(r"(?:\s*[A-Za-z][\w-]{0,30}:\s?-?[\d.]\S*|\s*[A-Za-z][\w-]{0,30}:[^\s:]\S*)+\s*")
_FRAMES = 25  # frames a second of times such as 00:00:04:12, whose frame rate is not stated


@dataclass(frozen=True, slots=True)
class Times:
    """A time line.

    Attributes:
        start: Seconds; None: unreadable.
        end: Seconds; None: unreadable.
        tail: Text behind the times; settings and coordinates are left out.
    """

    start: float | None
    end: float | None
    tail: str = ""


def times(row: str) -> Times | None:
    """The times of a line, or None where it does not look like a time line.

    Example:
        >>> times("00:00:04,300 –> 00:00:08,060 X1:40")
        Times(start=4.3, end=8.06, tail='')
        >>> times("[00:04.300 --> 00:08.060]  I can't open it.")
        Times(start=4.3, end=8.06, tail="I can't open it.")
        >>> times("00:00:04,300 -->"), times("Ten to four.")
        (Times(start=4.3, end=None, tail=''), None)
    """
    if not any(map(str.isdigit, row[:60])):
        return None
    for pattern in _RANGES:
        if match := pattern.fullmatch(row):
            tail = match["tail"]
            tail = "" if _SETTINGS.fullmatch(tail) else tail.strip()
            return Times(moment(match["start"]), moment(match["end"]), tail)
    for pattern in _HALF:
        if match := pattern.fullmatch(row):
            found = {name: moment(written) for name, written in match.groupdict().items()}
            return Times(found.get("start"), found.get("end"))
    return None


def moment(written: str) -> float:
    """Seconds of a time; the last of four numbers is milliseconds if it has three digits, else frames.

    Example:
        >>> moment("00:01:02,5"), moment("1:02"), moment("0.9"), moment("00: 00: 01: 500"), moment("00:00:01:05")
        (62.5, 62.0, 0.9, 1.5, 1.2)
    """
    sign = -1 if written.lstrip().startswith("-") else 1
    marks = re.findall(r"[:.,;]", written)
    numbers = re.findall(r"\d+", written)
    fraction = 0.0
    if marks and (marks[-1] in ",;" or (marks[-1] == "." and (":" in marks or len(numbers) != 3))):
        fraction = float(f"0.{numbers.pop()}")
    elif len(numbers) == 4:
        last = numbers.pop()
        fraction = float(f"0.{last}") if len(last) > 2 else min(int(last) / _FRAMES, 0.999)
    total = 0
    for number in numbers:
        total = total * 60 + int(number)
    return round(sign * (total + fraction), 6)


def scan(rows: Sequence[str], *, ids: bool) -> list[Item]:
    """The cues of a file: times, and the lines of text up to the next time line.

    Args:
        rows: Lines.
        ids: Whether the line before a time line is the cue's id (WebVTT); else only a number is, and it is dropped.
    """
    found = [(number, at) for number, row in enumerate(rows) if (at := times(row)) is not None]
    items = []
    heads = [_head(rows, number, ids=ids) for number, _ in found]
    for place, (number, at) in enumerate(found):
        last = heads[place + 1] if place + 1 < len(found) else len(rows)
        body = [at.tail, *_body(rows[number + 1 : max(last, number + 1)], blocks=ids)]
        name = rows[number - 1].strip() if ids and heads[place] < number else None
        items.append(Item("\n".join(filter(None, body)), start=at.start, end=at.end, id=name or None))
    return items


def _head(rows: Sequence[str], number: int, *, ids: bool) -> int:
    """The line at which a cue starts: its id or number, else its time line."""
    before = rows[number - 1].strip() if number else ""
    if before.isdecimal():
        return number - 1
    alone = number < 2 or not rows[number - 2].strip("\r\n")
    return number - 1 if ids and before and alone and "WEBVTT" not in before else number


def _body(rows: Sequence[str], *, blocks: bool) -> list[str]:
    """The lines of text of a cue; of WebVTT the blocks of notes and styles behind it are left out."""
    kept, note, fresh = [], False, False
    for row in rows:
        if not row:
            note, fresh = False, True
            continue
        if blocks and fresh:
            note = note or re.match(r"(NOTE|STYLE|REGION)\b", row) is not None
        fresh = False
        if not note:
            kept.append(row.strip())
    return kept
