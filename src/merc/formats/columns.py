"""Mapping of table columns and JSON keys to fields of an utterance."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from merc.formats import clock
from merc.formats.source import Item, shown

FIELDS: Mapping[str, tuple[str, ...]] = {
    "id": ("utterance_id", "utt_id", "segment_id"),
    "start": ("begin", "onset", "start_time", "starttime", "begin_time", "from", "tmin", "xmin"),
    "end": ("stop", "offset", "end_time", "endtime", "stop_time", "finish", "to", "tmax", "xmax"),
    "duration": ("dur", "length"),
    "speaker": ("speaker_id", "speaker_name", "name", "participant", "spk", "who"),
    "text": ("utterance", "transcript", "transcription", "sentence", "content"),
    "label": ("emotion",),
}
"""Fields with the aliases that are recognised, regardless of case and spaces; times may have a unit: ``start (ms)``."""

ACCEPTED = "names are " + "; ".join(f"{name}: {', '.join(others)}" for name, others in FIELDS.items())

_BY_NAME = {name: field for field, others in FIELDS.items() for name in (field, *others)}
_UNITS = {"s": 1.0, "sec": 1.0, "secs": 1.0, "seconds": 1.0, "ms": 1000.0, "msec": 1000.0, "milliseconds": 1000.0}


def field_of(name: str) -> tuple[str | None, float]:
    """Field of a column.

    Args:
        name: Header of the column.

    Returns:
        The field of ``FIELDS`` or None, and the number of units per second of a time.

    Example:
        >>> field_of("Start (ms)"), field_of("Speaker"), field_of("comment")
        (('start', 1000.0), ('speaker', 1.0), (None, 1.0))
    """
    words = re.sub(r"[^a-z0-9]+", "_", str(name).strip().lower()).strip("_")
    if words in _BY_NAME:
        return _BY_NAME[words], 1.0
    stem, _, unit = words.rpartition("_")
    field = _BY_NAME.get(stem)
    if unit in _UNITS and field in ("start", "end", "duration"):
        return field, _UNITS[unit]
    return None, 1.0


def item(record: Mapping[str, Any], *, meta: Mapping[str, Any] | None = None) -> Item:
    """Make an utterance from one record.

    Empty cells are unknown values. Of several columns for one field, the first that is not empty is used; unknown
    columns go to ``meta``.

    Args:
        record: Values by column.
        meta: Further values for ``meta``.

    Raises:
        ValueError: If a time is malformed.
    """
    parts: dict[str, Any] = {}
    rest = dict(meta or {})
    for name, value in record.items():
        if value is None or value == "":
            continue
        field, unit = field_of(name)
        if field is None or field in parts:
            rest[str(name)] = value
        else:
            parts[field] = _value(field, name, value, unit)
    if "end" not in parts and None not in (parts.get("start"), parts.get("duration")):
        parts["end"] = round(parts["start"] + parts["duration"], 6)
    parts.pop("duration", None)
    return Item(**parts, meta=rest)


def _value(field: str, name: str, value: Any, unit: float) -> Any:
    """A cell as its field holds it: times in seconds, texts unchanged, everything else as stripped text."""
    if field in ("start", "end", "duration"):
        return _time(name, value, unit)
    return value if field == "text" and isinstance(value, str) else str(value).strip()


def _time(name: str, value: Any, unit: float) -> float | None:
    if isinstance(value, bool):
        raise ValueError(f"{shown(name)} is {value}, expected seconds or hh:mm:ss.mmm")
    try:
        found = float(value) if isinstance(value, int | float) else clock.parse(str(value))
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{shown(name)} '{shown(value)}' is not a time, expected seconds or hh:mm:ss.mmm") from error
    if found is None or math.isnan(found):
        return None
    return found if unit == 1.0 else found / unit
