"""How times, shares, numbers and lists are written in pages and on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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


def percent(share: float, *, decimals: int = 0) -> str:
    """Write a share in [0, 1] as a percentage.

    A whole percentage never rounds something to nothing, or almost all to all.

    Example:
        >>> percent(0.251), percent(0.001), percent(0.9999)
        ('25%', '<1%', '>99%')
        >>> percent(0.025, decimals=1)
        '2.5%'
    """
    if not decimals and 0 < share < 0.005:
        return "<1%"
    if not decimals and 0.995 <= share < 1:
        return ">99%"
    return f"{share * 100:.{decimals}f}%"


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
