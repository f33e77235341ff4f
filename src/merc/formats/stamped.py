"""Plain text with time stamps, as transcription services, whisper.cpp, Audacity and people write it.

Four layouts are understood: ``[00:00:04] Ann: text`` (also without a name, with a range, or ``Ann [00:04]: text``); a
line of a name and a stamp with the text below it (Otter, Teams, Rev); a line of a stamp alone, with a name and the text
below it (Google Meet, Premiere); and ``start<tab>end<tab>text`` (Audacity's labels).
"""

from __future__ import annotations

import re
from collections import Counter
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
    stamps = [_stamp(row) for row in rows]
    found = [stamp for stamp in stamps if stamp]
    sure = any(stamp.sure for stamp in found)
    if not found or not (sure or (len(found) > 1 and len(found) >= _SHARE * sum(map(bool, rows)))):
        return []
    parts: list[tuple[_Stamp | None, list[str]]] = [(None, [])]
    for row, stamp in zip(rows, stamps, strict=True):
        if stamp and (stamp.sure or not sure):
            parts.append((stamp, []))
        elif row:
            parts[-1][1].append(row)
    return _items(parts[1:])


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


def _items(parts: Sequence[tuple[_Stamp | None, list[str]]]) -> list[Item]:
    """The utterances of stamps and the lines below them; the first line below a stamp alone may be a name."""
    heads = Counter(lines[0] for stamp, lines in parts if stamp and _alone(stamp) and len(lines) > 1)
    alone = sum(stamp is not None and _alone(stamp) for stamp, _ in parts)
    named = alone > 0 and sum(heads.values()) == alone and all(map(_like_name, heads))
    items = []
    for stamp, lines in parts:
        if stamp is None:
            continue
        name, said = stamp.name, list(lines)
        if named and _alone(stamp):
            name = said.pop(0).rstrip(":")
        first = Item(stamp.text, name or None, stamp.start, stamp.end)
        if stamp.text:
            items += [first, *(Item(line, name or None) for line in said)]
        elif said:
            items.append(replace(first, text=" ".join(said)))
    return items


def _alone(stamp: _Stamp) -> bool:
    return not stamp.name and not stamp.text


def _like_name(line: str) -> bool:
    """Whether a line could be a name: few words, no end of a sentence, capitalised."""
    return len(line.split()) <= _NAME_WORDS and line[-1] not in ".?!,…" and line[0].isupper()
