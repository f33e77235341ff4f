"""Which column of somebody's table, or key of somebody's JSON, is which part of an utterance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from merc.formats import clock
from merc.formats.source import Item

FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("utterance_id", "utt_id", "segment_id"),
    "start": ("begin", "onset", "start_time", "starttime", "begin_time", "from", "tmin", "xmin"),
    "end": ("stop", "offset", "end_time", "endtime", "stop_time", "finish", "to", "tmax", "xmax"),
    "duration": ("dur", "length"),
    "speaker": ("speaker_id", "speaker_name", "name", "participant", "spk", "who"),
    "text": ("utterance", "transcript", "transcription", "sentence", "content"),
    "label": ("emotion",),
}
"""The parts that are read, each with the other names it may have; case, spaces and units in brackets do not matter."""

ACCEPTED = "names are " + "; ".join(f"{name}: {', '.join(others)}" for name, others in FIELDS.items())

_BY_NAME = {name: field for field, others in FIELDS.items() for name in (field, *others)}
_UNITS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "ms": 1000.0, "msec": 1000.0, "milliseconds": 1000.0}


def field_of(name: str) -> tuple[str | None, float]:
    """The part of an utterance that a column holds (None: none of them) and how many of its units make a second."""
    words = re.sub(r"[^a-z0-9]+", "_", str(name).strip().lower()).strip("_")
    if words in _BY_NAME:
        return _BY_NAME[words], 1.0
    stem, _, unit = words.rpartition("_")
    field = _BY_NAME.get(stem)
    if unit in _UNITS and field in ("start", "end", "duration"):
        return field, _UNITS[unit]
    return None, 1.0


def item(record: Mapping[str, Any], *, meta: Mapping[str, Any] | None = None) -> Item:
    """Make an utterance of one record; empty cells are unknown, unknown columns go to ``meta``.

    Where several columns are the same part, the first that is not empty counts. Raises ValueError, naming the column
    and the value, for a time that cannot be read.
    """
    parts: dict[str, Any] = {}
    rest = dict(meta or {})
    for name, value in record.items():
        field, unit = field_of(name)
        if value is None or value == "":
            continue
        if field is None or field in parts:
            rest[str(name)] = value
        elif field in ("start", "end", "duration"):
            parts[field] = _time(name, value, unit)
        else:
            parts[field] = value if field == "text" and isinstance(value, str) else str(value).strip()
    if "end" not in parts and None not in (parts.get("start"), parts.get("duration")):
        parts["end"] = round(parts["start"] + parts["duration"], 6)
    parts.pop("duration", None)
    return Item(**parts, meta=rest)


def _time(name: str, value: Any, unit: float) -> float | None:
    if isinstance(value, bool):
        raise ValueError(f"{name} is {value}, expected seconds or hh:mm:ss.mmm")
    try:
        found = float(value) if isinstance(value, int | float) else clock.parse(str(value))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{name} '{value}' is not a time, expected seconds or hh:mm:ss.mmm") from error
    if found is None or math.isnan(found):
        return None
    return found if unit == 1.0 else found / unit
