"""How text, times, shares and names are written in the report: everything that reaches the page goes through here."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from typing import Any

UNKNOWN_SPEAKER = "unknown speaker"
NO_LABEL = "no label"

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


def safe(value: object) -> str:
    """Escape a value for HTML text and quoted attributes; characters that HTML cannot carry become U+FFFD."""
    return html.escape(_CONTROL.sub("\ufffd", str(value)), quote=True)


def clock(seconds: float) -> str:
    """Write a time as ``0:07``, ``12:40`` or ``1:02:03``, rounded down to the second."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def length(seconds: float) -> str:
    """Write a duration: ``2.4 s`` below a minute, else ``3:20 min`` or ``1:02:03 h``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    return f"{clock(round(seconds))} {'h' if round(seconds) >= 3600 else 'min'}"


def percent(share: float) -> str:
    """Write a share in [0, 1] as a whole percentage that never rounds something to nothing, or almost all to all."""
    if 0 < share < 0.005:
        return "<1%"
    if 0.995 <= share < 1:
        return ">99%"
    return f"{share * 100:.0f}%"


def counted(number: int, noun: str) -> str:
    """Write a number with its noun: ``1 utterance``, ``2,000 utterances``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: list[str]) -> str:
    """Join phrases as a sentence does: ``a``, ``a and b``, ``a, b and c``."""
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


def number(value: float) -> str:
    """Write a coordinate or an opacity with at most two decimals, as short as possible."""
    return f"{value:.2f}".rstrip("0").rstrip(".") or "0"


def fact(value: Any) -> str:
    """Write the value of an option or a detail in one line."""
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {fact(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(fact(inner) for inner in value)
    return str(value)
