"""Damage to files of any format: to their bytes, their text, their values, and to what is packed in them."""

from __future__ import annotations

import io
import json
import re
import struct
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np

from tests.quality.fuzzed import SPOILS

Random = np.random.Generator
Damage = Callable[[bytes, Random], bytes]

_HUGE = (
    b"1" + b"0" * 400,
    b"9" * 5000,
    b"1e400",
    b"-1e308",
    b"99999999999",
    b"-1",
    b"0",
    b"nan",
    b"4294967296",
    b"1_0",
)
_RUNS = (
    b"<",
    b"(",
    b"[",
    b"{",
    b'"',
    b"'",
    b"*",
    b"a",
    b" ",
    b",",
    b":",
    b"-",
    b"1",
    b"\t",
    b"a ",
    "♪".encode(),
    b"&",
    b"\\",
)
_VALUES = (None, True, 0, -1, 1.5, 10**30, "", "a", "1", [], ["a"], [1], [[]], {}, {"a": 1}, "\ud800", "\0", "../x")
_NESTED = ((b"[", b"]"), (b'{"a":', b"}"), (b"<a>", b"</a>"), (b"(", b")"), (b"<i>", b""))


def _numbers(data: bytes, random: Random) -> bytes:
    """Make some of the numbers huge, negative or no numbers."""
    found = list(re.finditer(rb"-?\d+(\.\d+)?", data))
    if not found:
        return SPOILS["absurd numbers"](data, random)
    chosen = {int(place) for place in random.integers(len(found), size=int(random.integers(1, 4)))}
    for place in sorted(chosen, reverse=True):
        data = data[: found[place].start()] + _HUGE[random.integers(len(_HUGE))] + data[found[place].end() :]
    return data


def _long(data: bytes, random: Random) -> bytes:
    """Put a run of one sign, up to 300,000 of them, somewhere."""
    place = int(random.integers(len(data) + 1))
    return data[:place] + _RUNS[random.integers(len(_RUNS))] * int(10 ** random.uniform(2, 5.5)) + data[place:]


def _many(data: bytes, random: Random) -> bytes:
    """Repeat a line, or a few, thousands of times."""
    lines = data.split(b"\n")
    first = int(random.integers(len(lines)))
    some = lines[first : first + int(random.integers(1, 4))]
    count = min(1000, 1_000_000 // (sum(map(len, some)) + 1))
    return b"\n".join([*lines[:first], *some * count, *lines[first:]])


def _nested(data: bytes, random: Random) -> bytes:
    """Nest lists, objects or elements deeply: in the place of a value where there is one, closed or not."""
    opening, closing = _NESTED[random.integers(len(_NESTED))]
    depth = int(10 ** random.uniform(1, 5))
    deep = opening * depth + (closing * depth if random.random() < 0.7 else b"")
    values = list(re.finditer(rb'(?<=[:\[,>])\s*("[^"\n]*"|[\d.]+|null|[^<>"\n]+(?=<))', data))
    if not values:
        place = int(random.integers(len(data) + 1))
        return data[:place] + deep + data[place:]
    value = values[random.integers(len(values))]
    return data[: value.start()] + deep + data[value.end() :]


def _other_values(data: bytes, random: Random) -> bytes:
    """Give some values of JSON another type, or take keys away; other text gets other signs."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError):
        return SPOILS["absurd numbers"](data, random)
    holder = [content]
    for _ in range(int(random.integers(1, 4))):
        _change(holder, random)
    return json.dumps(holder[0]).encode()


def _change(holder: list[Any], random: Random) -> None:
    places: list[tuple[Any, Any]] = [(holder, 0)]
    for outer, name in places:  # grows while it is walked
        inner = outer[name]
        if isinstance(inner, dict | list):
            places += [(inner, key) for key in (inner if isinstance(inner, dict) else range(len(inner)))]
    outer, name = places[random.integers(1 if len(places) > 1 else 0, len(places))]
    if isinstance(outer, dict) and random.random() < 0.3:
        del outer[name]
    else:
        outer[name] = _VALUES[random.integers(len(_VALUES))]


DAMAGES: dict[str, Damage] = {
    **{name: SPOILS[name] for name in ("bits flipped", "cut off", "zeros within", "parts repeated", "noise")},
    "huge numbers": _numbers,
    "long lines": _long,
    "many lines": _many,
    "deep nesting": _nested,
    "other values": _other_values,
    "other encoding": lambda data, random: SPOILS["another encoding"](data.decode("utf-8", "replace").encode(), random),
}
"""Damage by name."""


def damaged(data: bytes, how: str, random: Random) -> bytes:
    """A file with damage: half of the time within its parts, where it is a container of some (zip, safetensors)."""
    inside = random.random() < 0.75
    if inside and data[:2] == b"PK":
        return _within_zip(data, how, random)
    if inside and data[8:9] == b"{":
        (size,) = struct.unpack("<Q", data[:8])
        head = DAMAGES[how](data[8 : 8 + size], random)
        return struct.pack("<Q", len(head)) + head + data[8 + size :]
    return DAMAGES[how](data, random)


def _within_zip(data: bytes, how: str, random: Random) -> bytes:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    chosen, made = int(random.integers(len(parts))), io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        for place, (name, content) in enumerate(parts):
            archive.writestr(name, DAMAGES[how](content, random) if place == chosen else content)
    return made.getvalue()
