"""JSON: complete timelines (``merc-timeline/2``), and transcripts by Whisper, WhisperX or as a list."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc import reading
from merc.conversation import (
    Conversation,
    Prediction,
    Segment,
    Step,
    Timeline,
    Utterance,
    Word,
)
from merc.edits import Edit, corrected
from merc.errors import FormatError, InputError
from merc.formats import clock, source
from merc.formats.columns import field_of, item
from merc.formats.source import Item

if TYPE_CHECKING:
    pass

_DEEPEST = 64  # levels of lists and objects: what is deeper is no transcript, and could not be written again
SCHEMA = "merc-timeline/2"
VERSION = 2
"""Name and version of the format: the first value in every file."""


def write(timeline: Timeline, path: Path) -> None:
    """Write the complete timeline.

    Times are rounded to 1 ms (and segments are at least 1 ms long), probabilities to 4 decimals, other numbers to 6.
    Keys have a fixed order and each utterance is on one line; equal timelines give equal bytes. A transcript becomes a
    list of utterances, which is read back as a transcript.

    Raises:
        InputError: If a probability is not in [0, 1], or ``options``, ``meta`` or ``detail`` have an object that JSON
            cannot represent.
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    if not timeline.labels:
        listed = ",\n".join(f" {_dumps(_said(one))}" for one in timeline.utterances)
        path.write_bytes(source.utf8(f"[\n{listed}\n]\n"))
        return
    parts = ",\n".join(f" {part(key, value)}" for key, value in document(timeline).items())
    path.write_bytes(source.utf8(f"{{\n{parts}\n}}\n"))


def part(key: str, value: Any) -> str:
    """One key of the file; of a list of objects, each is on a line of its own."""
    if isinstance(value, list) and value and isinstance(value[0], dict):
        listed = ",\n".join(f"  {_dumps(entry)}" for entry in value)
        return f"{_dumps(key)}: [\n{listed}\n ]"
    return f"{_dumps(key)}: {_dumps(value)}"


def document(timeline: Timeline) -> dict[str, Any]:
    """The content of ``timeline.json`` as dictionaries and lists, for a server or a page that embeds it."""
    recording = timeline.recording
    order = {name: place for place, name in enumerate(timeline.labels)}
    return {
        "schema": SCHEMA,
        "recording": {
            "name": recording.name,
            "sha256": recording.sha256,
            "duration": round(float(recording.duration), 3),
            "has_audio": recording.has_audio,
            "has_video": recording.has_video,
            "language": recording.language,
            "language_probability": _share(recording.language_probability, "language"),
            "audio_track": recording.audio_track,
            "video_track": recording.video_track,
            "channel": recording.channel,
            "translated": recording.translated,
        },
        "labels": list(timeline.labels),
        "speakers": [
            {"id": s.id, "speaking": round(float(s.speaking), 3), "face": s.face, "face_reason": s.face_reason}
            for s in timeline.speakers
        ],
        "utterances": [_utterance(utterance, prediction, order) for utterance, prediction in timeline],
        "overlaps": [_times(segment) for segment in timeline.overlaps],
        "models": [{"slot": m.slot, "name": m.name, "licence": m.licence, "sha256": m.sha256} for m in timeline.models],
        "options": _plain(timeline.options, "options"),
        "notes": list(timeline.notes),
        "edits": edits(timeline.edits),
    }


def edits(made: Sequence[Edit]) -> list[dict[str, Any]]:
    """Edits as ``timeline.json`` holds them."""
    return [{"change": {"kind": one.change.kind, **asdict(one.change)}, "by": one.by, "at": one.at} for one in made]


def read(path: Path) -> Timeline | Conversation:
    """Read ``timeline.json`` as a timeline, other transcripts as a conversation.

    Transcripts are either a list of objects with the keys of ``merc.formats.columns`` (``start``, ``end``, ``text``,
    ``speaker``, …) or ``{"segments": […]}`` as written by Whisper and WhisperX. Times are seconds.

    Raises:
        FormatError: If the file is not JSON, is a timeline of a newer version, or has a missing or invalid field.
    """
    text, notes = source.read_text(path)
    try:
        found = json.loads(text)
    except RecursionError as error:
        raise FormatError(f"{path.name} is nested too deeply to be a transcript") from error
    except ValueError as error:
        raise FormatError(f"{path.name} is not JSON ({source.shown(error, 200)}); {source.hint(path, text)}") from error
    if reading.deeper(found, _DEEPEST):
        raise FormatError(f"{path.name} is nested deeper than {_DEEPEST} levels: expected a timeline or a transcript")
    if isinstance(found, dict) and "schema" in found:
        return _timeline(path, text, found["schema"])
    if isinstance(found, dict) and isinstance(found.get("segments"), list):
        language = {"language": found["language"]} if isinstance(found.get("language"), str) else {}
        return _listed(path, found["segments"], notes=notes, meta={"format": "whisper", **language})
    if isinstance(found, list):
        return _listed(path, found, notes=notes, meta={"format": "json"})
    raise FormatError(
        f"{path.name} is a {type(found).__name__} without 'schema' or 'segments'; expected a timeline of merc, "
        'Whisper\'s {"segments": […]} or a list of {"start", "end", "text", "speaker"}'
    )


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _times(segment: Segment) -> dict[str, float]:
    start, end = clock.milliseconds(segment)
    return {"start": start / 1000, "end": end / 1000}


def _share(value: float | None, owner: str) -> float | None:
    if value is None:
        return None
    if not 0 <= value <= 1:
        raise InputError(f"the probability of {owner} is {value}: expected a number from 0 to 1")
    return round(float(value), 4)


def _shares(values: Mapping[str, float] | None, owner: str, order: Mapping[str, int]) -> dict[str, Any] | None:
    if values is None:
        return None
    names = sorted(values, key=lambda name: (order.get(name, len(order)), name))
    return {name: _share(values[name], f"{owner} ({name})") for name in names}


def _utterance(utterance: Utterance, prediction: Prediction, order: Mapping[str, int]) -> dict[str, Any]:
    name, segment = f"utterance {utterance.id}", utterance.segment
    return {
        "id": utterance.id,
        "speaker": utterance.speaker,
        **({"start": None, "end": None} if segment is None else _times(segment)),
        "text": utterance.text,
        "label": prediction.label,
        "confidence": _share(prediction.confidence, name),
        "abstained": prediction.abstained,
        "reason": prediction.reason,
        "probabilities": _shares(prediction.probabilities, name, order),
        "evidence": [
            {
                "modality": evidence.modality,
                "probabilities": _shares(evidence.probabilities, name, order),
                "missing": evidence.missing,
                "detail": _plain(evidence.detail, f"detail of {name}"),
                "steps": _steps(evidence.steps, name, order),
            }
            for evidence in prediction.evidence
        ],
        "words": [
            {"text": word.text, **_times(word.segment), "probability": _share(word.probability, f"'{word.text}'")}
            for word in utterance.words
        ],
        "annotated_label": utterance.label,
        "annotated_scores": _plain(utterance.scores, f"scores of {name}"),
        "meta": _plain(utterance.meta, f"meta of {name}"),
        "correction": None if prediction.correction is None else asdict(prediction.correction),
        **({"values": _plain(prediction.values, f"values of {name}")} if prediction.values else {}),
    }


def _said(utterance: Utterance) -> dict[str, Any]:
    """An utterance of a transcript; what is unknown has no key, ``meta`` is beside the fields."""
    segment = utterance.segment
    words = [{"text": one.text, **_times(one.segment), "probability": one.probability} for one in utterance.words]
    known = {
        "id": utterance.id,
        "speaker": utterance.speaker,
        **({} if segment is None else _times(segment)),
        "text": utterance.text,
        "label": utterance.label,
        "words": words or None,
    }
    others = {name: value for name, value in utterance.meta.items() if field_of(name)[0] is None and name != "words"}
    kept = {name: value for name, value in known.items() if value is not None}
    kept.update(_plain(others, f"meta of utterance {utterance.id}"))
    return kept


def _steps(steps: Sequence[Step], owner: str, order: Mapping[str, int]) -> dict[str, Any] | None:
    """Steps as columns, which take a quarter of the bytes of one object a step."""
    if not steps:
        return None
    times = [_times(step.segment) for step in steps]
    rows = [_shares(step.probabilities, f"a step of {owner}", order) or {} for step in steps]
    if any(row.keys() != rows[0].keys() for row in rows):
        raise InputError(f"steps of {owner} have different labels: expected the same labels in each")
    return {
        "start": [time["start"] for time in times],
        "end": [time["end"] for time in times],
        "probabilities": {label: [row[label] for row in rows] for label in rows[0]},
    }


def _plain(value: Any, owner: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | bool | int | None):
        return value
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(value[key], owner) for key in sorted(value, key=str)}
    if isinstance(value, Sequence | np.ndarray):
        return [_plain(entry, owner) for entry in value]
    raise InputError(f"{owner} has a {type(value).__name__}, {value!r}: expected text, numbers, lists or mappings")


def _listed(path: Path, entries: Sequence[Any], *, notes: Sequence[str], meta: Mapping[str, Any]) -> Conversation:
    items = []
    for number, entry in enumerate(entries, 1):
        if not isinstance(entry, dict):
            raise FormatError(f"{path.name} entry {number} is {str(entry)[:40]!r}, expected an object with 'text'")
        try:
            items.append(_item(entry, whisper=meta["format"] == "whisper"))
        except ValueError as error:
            raise FormatError(f"{path.name} entry {number}: {error}; correct the entry") from error
    if items and all(made.text is None and made.start is None for made in items):
        raise FormatError(
            f"{path.name}: no entry has text or times; expected keys like 'start', 'end', 'text', 'speaker', found "
            f"{source.shown(', '.join(map(str, list(entries[0])[:8])))}"
        )
    return source.conversation(path, items, notes=notes, meta=meta)


def _item(entry: Mapping[str, Any], *, whisper: bool) -> Item:
    kept = {name: value for name, value in entry.items() if name != "words"}
    if whisper:
        kept = {name: value for name, value in kept.items() if name in ("start", "end", "text", "speaker")}
        kept["text"] = str(kept.get("text") or "").strip()
    words = entry.get("words")
    made = item(kept)
    return Item(
        text=made.text,
        speaker=made.speaker,
        start=made.start,
        end=made.end,
        id=made.id,
        label=made.label,
        words=tuple(filter(None, map(_word, words))) if isinstance(words, list) else (),
        meta=source.frozen(made.meta),
    )


def _word(entry: Any) -> Word | None:
    if not isinstance(entry, dict):
        return None
    made = item({name: entry[name] for name in ("start", "end") if name in entry})
    text, segment = str(entry.get("word", entry.get("text", ""))).strip(), source.span(made.start, made.end)
    share = entry.get("probability", entry.get("score"))
    probability = float(share) if isinstance(share, int | float) and 0 <= share <= 1 else None
    return Word(text, segment, probability) if text and segment else None


def _timeline(path: Path, text: str, version: Any) -> Timeline:
    match = re.fullmatch(r"merc-timeline/(\d{1,6})", str(version))
    if not match or int(match[1]) == 0:
        raise FormatError(
            f"{path.name} has the schema '{source.shown(version)}', expected '{SCHEMA}'; give a timeline of merc"
        )
    if int(match[1]) > VERSION:
        raise FormatError(
            f"{path.name} has the schema '{source.shown(version)}', but this version of merc reads up to '{SCHEMA}'; "
            "install a newer merc or write the timeline again"
        )
    import pydantic

    from merc.formats import schema

    try:
        made = schema.timeline_of(schema.TimelineFields.model_validate_json(text))
        corrected(made)  # edits that do not fit the utterances are refused here
        return made
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise FormatError(
            f"{path.name} at {place}: {first['msg'].lower()} (found {repr(first['input'])[:60]}); "
            "write the timeline again, or correct the field (see docs/reference/timeline.md)"
        ) from error
    except InputError as error:
        raise FormatError(f"{path.name}: {error}") from error
