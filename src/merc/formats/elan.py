"""ELAN annotations (``.eaf``, EAF 3.0): one tier per speaker, predicted labels and confidences on child tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from merc.conversation import Conversation, Timeline
from merc.errors import FormatError
from merc.formats import source
from merc.formats.source import Item
from merc.formats.tags import UNKNOWN
from merc.formats.tiers import Lane, lanes

_UTTERANCE, _LABEL, _CONFIDENCE = "utterance", "predicted label", "confidence"
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MIME = {".wav": "audio/x-wav", ".mp4": "video/mp4", ".mpg": "video/mpeg", ".mov": "video/quicktime"}
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="merc" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">"""
_TYPES = f"""<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{_UTTERANCE}" TIME_ALIGNABLE="true"/>
<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{_LABEL}" \
TIME_ALIGNABLE="false"/>
<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{_CONFIDENCE}" \
TIME_ALIGNABLE="false"/>
<CONSTRAINT DESCRIPTION="1-1 association with a parent annotation" STEREOTYPE="Symbolic_Association"/>
</ANNOTATION_DOCUMENT>
"""


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline for ELAN.

    Kept: times to 1 ms, speakers (as participants), texts, predicted labels and confidences to 4 decimals. Overlapping
    utterances of a speaker go to further tiers of the same participant; an abstention has no annotation on the label
    tier. Lost: utterances without a time, ids (annotations are numbered in the order of the utterances), words,
    distributions, and characters that are invalid in XML, which become U+FFFD. The date is fixed, so that equal
    timelines give equal bytes.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    tiers = lanes(timeline)
    moments = sorted(
        (time, member.place, end)
        for lane in tiers
        for member in lane.members
        for end, time in enumerate((member.start, member.end))
    )
    slots = {(place, end): f"ts{number}" for number, (_, place, end) in enumerate(moments, 1)}
    media = f"./{quote(source.utf8(timeline.recording.name))}"
    kind = _MIME.get(Path(timeline.recording.name).suffix.lower(), "unknown")
    out = [_HEAD, '<HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">']
    out.append(f'<MEDIA_DESCRIPTOR MEDIA_URL="{media}" MIME_TYPE="{kind}" RELATIVE_MEDIA_URL="{media}"/>')
    out.append("</HEADER>\n<TIME_ORDER>")
    out.extend(f'<TIME_SLOT TIME_SLOT_ID="{slots[place, end]}" TIME_VALUE="{time}"/>' for time, place, end in moments)
    out.append("</TIME_ORDER>")
    taken: set[str] = set()
    for lane in tiers:
        out.extend(_tiers(lane, taken, slots, total=len(timeline)))
    out.append(_TYPES)
    path.write_bytes(source.utf8("\n".join(out)))


def read(path: Path) -> Conversation:
    """Read the tiers without a parent as utterances, in order of time.

    The speaker is the participant of the tier, or else its name. If all annotations of a tier are empty, the text is
    read from its first child tier; values of the other child tiers go to ``meta`` under the linguistic type of the
    tier. In files written by merc, ``meta`` has ``predicted`` (None for an abstention) and ``confidence``.

    Raises:
        FormatError: If the file is not ELAN, has a document type declaration (which could define entities), or a
            reference in it is undefined.
    """
    root = _root(path)
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iterfind("TIME_ORDER/TIME_SLOT")}
    tiers = root.findall("TIER")
    found: list[Item] = []
    for tier in tiers:
        if tier.get("PARENT_REF") is None:
            children = [child for child in tiers if child.get("PARENT_REF") == tier.get("TIER_ID")]
            found.extend(_utterances(path, tier, children, slots))
    found.sort(key=lambda item: (item.start is None, item.start or 0.0, item.end or 0.0))
    return source.conversation(path, found, meta={"format": "eaf"})


def _clean(text: str | None) -> str:
    return _UNWRITABLE.sub("\ufffd", text or "")


def _value(text: str | None) -> str:
    return f"<ANNOTATION_VALUE>{escape(_clean(text), {chr(13): '&#13;'})}</ANNOTATION_VALUE>"


def _named(wanted: str, taken: set[str]) -> str:
    name, number = wanted, 2
    while name in taken:
        name, number = f"{wanted}#{number}", number + 1
    taken.add(name)
    return name


def _tiers(lane: Lane, taken: set[str], slots: Mapping[tuple[int, int], str], *, total: int) -> Iterator[str]:
    who = _clean(lane.speaker)
    parent = _named(who or UNKNOWN, taken)
    opening = f"PARTICIPANT={_attribute(who)}"
    yield f'<TIER LINGUISTIC_TYPE_REF="{_UTTERANCE}" {opening} TIER_ID={_attribute(parent)}>'
    for member in lane.members:
        place = member.place
        yield (
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{place + 1}" TIME_SLOT_REF1="{slots[place, 0]}" '
            f'TIME_SLOT_REF2="{slots[place, 1]}">{_value(member.utterance.text)}</ALIGNABLE_ANNOTATION></ANNOTATION>'
        )
    yield "</TIER>"
    for offset, kind in ((1, _LABEL), (2, _CONFIDENCE)):
        name = _named(f"{kind}@{parent}", taken)
        yield (
            f'<TIER LINGUISTIC_TYPE_REF="{kind}" PARENT_REF={_attribute(parent)} {opening} TIER_ID={_attribute(name)}>'
        )
        for member in lane.members:
            made = member.prediction
            text = made.label if kind == _LABEL else f"{made.confidence:.4f}"
            if text is not None:
                yield (
                    f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a{offset * total + member.place + 1}" '
                    f'ANNOTATION_REF="a{member.place + 1}">{_value(text)}</REF_ANNOTATION></ANNOTATION>'
                )
        yield "</TIER>"


def _attribute(text: str) -> str:
    return quoteattr(text, {"\r": "&#13;", "\n": "&#10;", "\t": "&#9;"})


def _root(path: Path) -> ElementTree.Element:
    data = source.read_bytes(path)
    builder, parser = ElementTree.TreeBuilder(), expat.ParserCreate()

    def refuse(*_: object) -> None:
        raise FormatError(
            f"{path.name} has a document type declaration, which ELAN never writes: export it from ELAN again"
        )

    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler = builder.start, builder.end
    parser.CharacterDataHandler = builder.data
    parser.buffer_text = True
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, ValueError, LookupError) as error:
        shape = source.hint(path, data[:200].decode("utf-8", "replace"))
        raise FormatError(f"{path.name} is not XML ({error}); {shape}") from error
    root = builder.close()
    if root.tag != "ANNOTATION_DOCUMENT":
        raise FormatError(
            f"{path.name} is XML but its root is <{root.tag}>, expected <ANNOTATION_DOCUMENT>: export it from ELAN"
        )
    return root


def _utterances(
    path: Path,
    tier: ElementTree.Element,
    children: Sequence[ElementTree.Element],
    slots: Mapping[str | None, str | None],
) -> Iterator[Item]:
    speaker = tier.get("PARTICIPANT", tier.get("TIER_ID")) or None
    below = [(child.get("LINGUISTIC_TYPE_REF", ""), _references(child)) for child in children]
    kinds = [one.get("LINGUISTIC_TYPE_REF") for one in (tier, *children)]
    ours = kinds == [_UTTERANCE, _LABEL, _CONFIDENCE]
    annotations = list(tier.iterfind("ANNOTATION/ALIGNABLE_ANNOTATION"))
    texts = None if ours or not below or _spoken(annotations) else below.pop(0)[1]
    for annotation in annotations:
        name = annotation.get("ANNOTATION_ID", "")
        own = texts.get(name) if texts is not None else annotation.findtext("ANNOTATION_VALUE")
        start = _time(path, annotation, slots, "TIME_SLOT_REF1")
        end = _time(path, annotation, slots, "TIME_SLOT_REF2")
        yield Item(own or None, speaker, start, end, name, meta=_values(below, name, ours=ours))


def _spoken(annotations: Sequence[ElementTree.Element]) -> bool:
    """Whether any annotation has a text of its own."""
    return any(annotation.findtext("ANNOTATION_VALUE") for annotation in annotations)


def _values(children: Sequence[tuple[str, Mapping[str, str]]], name: str, *, ours: bool) -> dict[str, Any]:
    """The values of child tiers that refer to an annotation; those that merc wrote are read as a prediction."""
    values = {kind: refers[name] for kind, refers in children if name in refers}
    return _prediction(values) if ours else values


def _prediction(values: Mapping[str, str]) -> dict[str, Any]:
    share = values.get(_CONFIDENCE, "")
    known = re.fullmatch(r"\d(\.\d+)?", share)
    return {"predicted": values.get(_LABEL) or None, "confidence": float(share) if known else None}


def _references(tier: ElementTree.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for annotation in tier.iterfind("ANNOTATION/REF_ANNOTATION"):
        parent, value = annotation.get("ANNOTATION_REF") or "", annotation.findtext("ANNOTATION_VALUE") or ""
        found[parent] = f"{found[parent]} {value}" if parent in found else value
    return found


def _time(
    path: Path, annotation: ElementTree.Element, slots: Mapping[str | None, str | None], key: str
) -> float | None:
    slot = annotation.get(key)
    if slot not in slots:
        raise FormatError(
            f"{path.name}: annotation {annotation.get('ANNOTATION_ID')} refers to the time slot {slot}, which does "
            "not exist: open and save the file in ELAN"
        )
    value = slots[slot]
    if value is None:
        return None
    try:
        return int(value) / 1000
    except ValueError as error:
        raise FormatError(f"{path.name}: time slot {slot} is '{value}', expected whole milliseconds") from error
