"""Plain text with time stamps, as transcription services, whisper.cpp, Audacity and people write it.

Four layouts are understood: ``[00:00:04] Ann: text`` (also without a name, with a range, or ``Ann [00:04]: text``); a
line of a name and a stamp with the text below it (Otter, Teams, Rev); a line of a stamp alone, with a name and the text
below it (Google Meet, Premiere); and ``start<tab>end<tab>text`` (Audacity's labels).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from merc.formats import cues
from merc.formats.source import Item

_CLOCK = r"(?:\d{1,3}:\d{1,2}:\d{1,2}(?::\d{2})?|\d{1,3}:\d{2})(?:[.,;]\d{1,6}|-\d(?=#))?"
_JOIN = r"\s*(?:[-–—−=]{0,3}>|→|[-–—−~]|,|\bto\b|\bbis\b)\s*"
_SPAN = rf"(?P<start>{_CLOCK})(?:{_JOIN}(?P<end>{_CLOCK}))?"
_MARKED = rf"[\[(<{{#|]{{1,3}}\s*{_SPAN}\s*[\])>}}#|]{{1,3}}"
_NAME = r"(?P<name>[^\W\d_][^:：\[\](){}<>!?;\"\t]{0,48}?)"
_LAYOUTS = tuple(
    (re.compile(pattern, re.IGNORECASE), sure)
    for pattern, sure in (
        (rf"{_MARKED}\s*(?:[-–—:]\s+)?(?P<text>.*)", True),
        (rf"{_SPAN}[:.]?", False),
        (rf"{_SPAN}\t{_NAME}\t(?P<text>.*)", False),
        (rf"{_NAME}\t{_SPAN}\t(?P<text>.*)", False),
        (rf"{_SPAN}(?:\s*[-–—:|]\s+|\s+)(?P<text>.+)", False),
        (rf"{_NAME}\s*:?\s*{_MARKED}\s*:?\s*(?P<text>.*)", True),
        (rf"\[(?P<name>[^\[\]\d][^\[\]]{{0,48}})\]\s*{_SPAN}", True),
        (rf"{_NAME}(?:\s*[|,·•–—-]\s*|\s+at\s+|\s+){_SPAN}", False),
    )
)
_BY = re.compile(r"(?:transcribed|created|exported|generated) (?:by|with|from)\b.{0,40}https?://.*", re.IGNORECASE)
_LABEL = re.compile(r"(\d+(?:[.,]\d+)?)\t(\d+(?:[.,]\d+)?)(?:\t(.*))?")
_SHARE = 0.3  # share of the lines that must carry a stamp if none is in brackets: a text may begin with a time of day
_NAME_WORDS = 5


@dataclass(frozen=True, slots=True)
class _Stamp:
    """A line with a stamp: its times, the name beside them and the text behind them, either of them "" if absent."""

    start: float
    end: float | None
    name: str
    text: str
    sure: bool


def blocks(rows: Sequence[str]) -> list[Item]:
    """The utterances of a text with time stamps; none if it has no stamps.

    Args:
        rows: Stripped lines; blank ones separate paragraphs.

    Example:
        >>> [(one.start, one.text) for one in blocks(["[00:01] Ann: Hi.", "[00:02] Ben: Hm."])]
        [(1.0, 'Ann: Hi.'), (2.0, 'Ben: Hm.')]
        >>> [(one.start, one.speaker, one.text) for one in blocks(["Ann Lee  0:04", "Hi.", "", "Ben  0:09", "Hm."])]
        [(4.0, 'Ann Lee', 'Hi.'), (9.0, 'Ben', 'Hm.')]
    """
    if labels := _labels(rows):
        return labels
    rows = ["" if _BY.fullmatch(row) else row.replace("**", "") for row in rows]
    parts: list[tuple[_Stamp, list[str]]] = []
    for row, stamp in zip(rows, _believed([_stamp(row) for row in rows], sum(map(bool, rows))), strict=True):
        if stamp:
            parts.append((stamp, []))
        elif row and parts:
            parts[-1][1].append(row)
    return [item for stamp, lines in _with_names(parts) for item in _items(stamp, lines)]


def _believed(stamps: Sequence[_Stamp | None], rows: int) -> list[_Stamp | None]:
    """The stamps in brackets if there are any; else all, if they are more than one and a share of the rows."""
    if any(stamp and stamp.sure for stamp in stamps):
        return [stamp if stamp and stamp.sure else None for stamp in stamps]
    count = sum(stamp is not None for stamp in stamps)
    return list(stamps) if count > 1 and count >= _SHARE * rows else [None] * len(stamps)


def _labels(rows: Sequence[str]) -> list[Item]:
    """Audacity's labels; lines of frequencies, which start with a backslash, are left out."""
    lines = [row for row in rows if row and not row.startswith("\\")]
    matches = [_LABEL.fullmatch(row) for row in lines]
    if not lines or not all(matches):
        return []
    return [
        Item((match[3] or "").strip(), start=cues.moment(_decimal(match[1])), end=cues.moment(_decimal(match[2])))
        for match in matches
        if match
    ]


def _decimal(number: str) -> str:
    return number if re.search(r"[.,]", number) else f"{number}.0"


def _stamp(row: str) -> _Stamp | None:
    for pattern, sure in _LAYOUTS:
        if match := pattern.fullmatch(row):
            found = match.groupdict()
            name = (found.get("name") or "").strip(" *_-–—|,·•")
            if len(name.split()) > _NAME_WORDS:
                return None
            end = _moment(found["end"]) if found["end"] else None
            return _Stamp(_moment(found["start"]), end, name, (found.get("text") or "").strip(), sure)
    return None


def _moment(written: str) -> float:
    return cues.moment(written.replace("-", "."))  # f4 writes tenths as 00:00:04-3


def _with_names(parts: Sequence[tuple[_Stamp, list[str]]]) -> list[tuple[_Stamp, list[str]]]:
    """Stamps that stand alone take the line below them for a name where all of those lines may be names."""
    bare = [lines for stamp, lines in parts if _alone(stamp)]
    if not bare or not all(len(lines) > 1 and _like_name(lines[0]) for lines in bare):
        return list(parts)
    return [
        (replace(stamp, name=lines[0].rstrip(":")), lines[1:]) if _alone(stamp) else (stamp, lines)
        for stamp, lines in parts
    ]


def _items(stamp: _Stamp, lines: Sequence[str]) -> list[Item]:
    """The utterance of a stamp; lines below one that has a text are utterances of their own."""
    first = Item(stamp.text, stamp.name or None, stamp.start, stamp.end)
    if stamp.text:
        return [first, *(Item(line, first.speaker) for line in lines)]
    return [replace(first, text=" ".join(lines))] if lines else []


def _alone(stamp: _Stamp) -> bool:
    return not stamp.name and not stamp.text


def _like_name(line: str) -> bool:
    """Whether a line could be a name: few words, no end of a sentence, capitalised."""
    return len(line.split()) <= _NAME_WORDS and line[-1] not in ".?!,…" and line[0].isupper()
