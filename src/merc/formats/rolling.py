"""Captions that roll: each cue repeats lines of the one before (YouTube, live captions, CEA-608); each is kept once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from merc.formats.source import Item

_ROLLING = 0.3  # share of cues that carry lines of the one before and add to them, from which a file counts as rolling


@dataclass(frozen=True, slots=True)
class _Step:
    """What a cue adds to the one before: lines of words, and whether the first of them continues the last line."""

    lines: tuple[str, ...]
    carried: int
    grows: bool


def unrolled(items: Sequence[Item]) -> tuple[list[Item], bool]:
    """Each line once, from when it appears to the end of its cue.

    Args:
        items: Cues in order of time, their texts without markup.

    Returns:
        The cues that add something, with what they add, and whether the file rolls; if not, the cues are unchanged.

    Example:
        >>> cues = [Item("so it", start=0), Item("so it\\nis here", start=1), Item("is here\\nnow", start=2)]
        >>> [(one.text, one.start) for one in unrolled(cues)[0]]
        [('so it', 0), ('is here', 1), ('now', 2)]
    """
    steps, shown = list[_Step](), list[list[str]]()
    for item in items:
        step, shown = _step(shown, item.text or "")
        steps.append(step)
    carrying = sum(step.carried > 0 and bool(step.lines) for step in steps)
    if carrying < max(2, _ROLLING * (len(items) - 1)):
        return list(items), False
    return _kept(items, steps), True


def _kept(items: Sequence[Item], steps: Sequence[_Step]) -> list[Item]:
    found: list[Item] = []
    for item, step in zip(items, steps, strict=True):
        lines = list(step.lines)
        if lines and step.grows and found:
            found[-1] = replace(found[-1], text=f"{found[-1].text} {lines.pop(0)}", end=item.end)
        if lines:
            found.append(replace(item, text="\n".join(lines)))
    return found


def _step(shown: Sequence[Sequence[str]], text: str) -> tuple[_Step, list[list[str]]]:
    """What a cue adds to the lines shown before, and the lines that it shows."""
    rows = [row.split() for row in text.split("\n") if row.strip()]
    words = list(chain.from_iterable(rows))
    for first in range(len(shown)):
        before = list(chain.from_iterable(shown[first:]))
        if words[: len(before)] == before:
            added, grows = _rest(rows, len(before))
            return _Step(tuple(map(" ".join, added)), len(before), grows), rows
    return _Step(tuple(map(" ".join, rows)), 0, grows=False), rows or list(map(list, shown))


def _rest(rows: Sequence[list[str]], count: int) -> tuple[list[list[str]], bool]:
    """The lines behind the first words, and whether they begin within a line."""
    for number, row in enumerate(rows):
        if count < len(row):
            return [row[count:], *rows[number + 1 :]], count > 0
        count -= len(row)
    return [], False
