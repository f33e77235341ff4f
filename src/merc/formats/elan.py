"""ELAN annotations (``.eaf``, EAF 3.0): one tier per speaker, labels, confidences and ids on child tiers."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree
from xml.parsers import expat
from xml.sax.saxutils import escape, quoteattr

from merc.conversation import Conversation, Timeline
from merc.edits import predicted_label
from merc.errors import FormatError
from merc.formats import source
from merc.formats.elan_tiers import Tier, annotation, roots, tendency, utterances, worded
from merc.formats.source import Item, shown
from merc.formats.table import NOTE
from merc.formats.tags import UNKNOWN
from merc.formats.tiers import Lane, Placed, lanes

_UTTERANCE, _LABEL, _CONFIDENCE = "utterance", "predicted label", "confidence"
_CORRECTED, _ID, _ANNOTATED = "corrected label", "utterance id", "annotated label"
_ANALYSED, _TRANSCRIBED = (_LABEL, _CONFIDENCE, _CORRECTED, NOTE, _ID), (_ANNOTATED, _ID)
_CHOSEN = (_LABEL, _CORRECTED)  # tiers whose values are chosen from the vocabulary
_REJECTED = "no label"
"""Value on the tier of corrected labels that rejects the predicted one."""
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_MIME = {".wav": "audio/x-wav", ".mp4": "video/mp4", ".mpg": "video/mpeg", ".mov": "video/quicktime"}
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT AUTHOR="merc" DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">"""
_VOCABULARY = "labels"
_CONSTRAINT = '<CONSTRAINT DESCRIPTION="1-1 association with a parent annotation" STEREOTYPE="Symbolic_Association"/>'
_LANGUAGE = (
    '<LANGUAGE LANG_DEF="http://cdb.iso.org/lg/CDB-00130975-001" LANG_ID="und" LANG_LABEL="undetermined (und)"/>'
)


def write(timeline: Timeline, path: Path) -> None:
    """Write a timeline for ELAN.

    Kept: ids, times to 1 ms, speakers (as participants), texts, predicted labels and confidences to 4 decimals, and the
    labels and notes of people on tiers of their own, which are there to be filled in: both label tiers have the labels
    as a controlled vocabulary. Overlapping utterances of a speaker go to further tiers of the same participant; an
    abstention has no annotation on the label tier. Lost: utterances without a time, words, distributions, and
    characters that are invalid in XML, which become U+FFFD. The date is fixed, so that equal timelines give equal
    bytes.

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
        out.extend(_tiers(lane, taken, slots, timeline))
    out.extend(_types(timeline))
    path.write_bytes(source.utf8("\n".join(out)))


def read(path: Path) -> Conversation:
    """Read the tiers without a parent as utterances, in order of time.

    The speaker is the participant of the tier, else what its name has behind ``@``, else its name. Where such a tier is
    empty or holds ids or a placeholder, the words are read from a tier below it (``merc.formats.elan_tiers``), with a
    note; values of the other tiers below go to ``meta`` under their linguistic type. Tiers that hold something other
    than speech by their names (gestures, notes) are skipped with a note if others remain. In files written by merc,
    ``meta`` has ``predicted`` (None for an abstention) and ``confidence``, and ``corrected`` where the tier of
    corrected labels has a value (None for "no label"), and ``note``.

    Raises:
        FormatError: If the file is not ELAN, has a document type declaration (which could define entities), or a
            reference in it is undefined.
    """
    root = _root(path)
    slots = _slots(path, root)
    trees = roots([_tier(path, tier, slots) for tier in root.iterfind("TIER")])
    speech = [tree for tree in trees if _written_here(tree) or tendency(worded(tree)) >= 0] or trees
    notes = [*_skipped(path, trees, speech), *_elsewhere(path, speech)]
    found = [item for tree in speech for item in (_predicted(tree) if _written_here(tree) else utterances(tree))]
    return source.conversation(path, sorted(found, key=_when), notes=notes, meta={"format": "eaf"})


def _skipped(path: Path, trees: Sequence[Tier], speech: Sequence[Tier]) -> Iterator[str]:
    kept = set(map(id, speech))
    if names := [tree.name for tree in trees if id(tree) not in kept]:
        yield f"{path.name}: {_listed(names)} skipped, by name not speech."


def _elsewhere(path: Path, speech: Sequence[Tier]) -> Iterator[str]:
    for tree in speech:
        if not _written_here(tree) and (tier := worded(tree)) is not tree:
            yield f"{path.name}: the words of '{shown(tree.name)}' were read from its tier '{shown(tier.name)}'."


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    quoted = ", ".join(f"'{shown(name)}'" for name in names[:5])
    return f"the tier{'s' if len(names) > 1 else ''} {quoted}{more} {'were' if len(names) > 1 else 'was'}"


def _when(item: Item) -> tuple[bool, float, float]:
    return item.start is None, item.start or 0.0, item.end or 0.0


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


def _tiers(lane: Lane, taken: set[str], slots: Mapping[tuple[int, int], str], timeline: Timeline) -> Iterator[str]:
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
    terms = _terms(timeline)
    for offset, kind in enumerate(_children(timeline), 1):
        name = _named(f"{kind}@{parent}", taken)
        yield (
            f'<TIER LINGUISTIC_TYPE_REF="{kind}" PARENT_REF={_attribute(parent)} {opening} TIER_ID={_attribute(name)}>'
        )
        for member in lane.members:
            if (text := _below(kind, member)) is not None:
                term = f' CVE_REF="{terms[text]}"' if kind in _CHOSEN and text in terms else ""
                yield (
                    f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="a{offset * len(timeline) + member.place + 1}" '
                    f'ANNOTATION_REF="a{member.place + 1}"{term}>{_value(text)}</REF_ANNOTATION></ANNOTATION>'
                )
        yield "</TIER>"


def _children(timeline: Timeline) -> tuple[str, ...]:
    return _ANALYSED if timeline.labels else _TRANSCRIBED


def _below(kind: str, member: Placed) -> str | None:
    """What a tier below says of an utterance; None: nothing."""
    made = member.prediction
    return {
        _LABEL: predicted_label(made),
        _CONFIDENCE: f"{made.confidence:.4f}",
        _CORRECTED: (made.label or _REJECTED) if made.correction else None,
        _ANNOTATED: member.utterance.label,
        NOTE: member.utterance.meta.get(NOTE),
        _ID: member.utterance.id,
    }[kind]


def _terms(timeline: Timeline) -> dict[str, str]:
    """Ids of the entries of the controlled vocabulary, by label."""
    return {label: f"cve{number}" for number, label in enumerate((*timeline.labels, _REJECTED), 1)}


def _types(timeline: Timeline) -> Iterator[str]:
    """The types of the tiers, and the vocabulary of labels."""
    yield f'<LINGUISTIC_TYPE GRAPHIC_REFERENCES="false" LINGUISTIC_TYPE_ID="{_UTTERANCE}" TIME_ALIGNABLE="true"/>'
    for kind in _children(timeline):
        chosen = f'CONTROLLED_VOCABULARY_REF="{_VOCABULARY}" ' if kind in _CHOSEN else ""
        yield (
            f'<LINGUISTIC_TYPE CONSTRAINTS="Symbolic_Association" {chosen}GRAPHIC_REFERENCES="false" '
            f'LINGUISTIC_TYPE_ID="{kind}" TIME_ALIGNABLE="false"/>'
        )
    yield _LANGUAGE
    yield _CONSTRAINT
    if timeline.labels:
        yield f'<CONTROLLED_VOCABULARY CV_ID="{_VOCABULARY}">\n<DESCRIPTION LANG_REF="und"/>'
        for label, name in _terms(timeline).items():
            value = f'<CVE_VALUE DESCRIPTION="" LANG_REF="und">{escape(_clean(label))}</CVE_VALUE>'
            yield f'<CV_ENTRY_ML CVE_ID="{name}">{value}</CV_ENTRY_ML>'
        yield "</CONTROLLED_VOCABULARY>"
    yield "</ANNOTATION_DOCUMENT>\n"


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


def _written_here(tree: Tier) -> bool:
    """Whether merc wrote a tier and those below it."""
    below = {child.kind for child in tree.children}
    return tree.kind == _UTTERANCE and (_ID in below or {_LABEL, _CONFIDENCE} <= below)


def _predicted(tree: Tier) -> Iterator[Item]:
    """The utterances of a tier that merc wrote, with their labels."""
    below: dict[str, dict[str | None, str]] = {kind: {} for kind in (*_ANALYSED, *_TRANSCRIBED)}
    for child in tree.children:
        below.setdefault(child.kind, {}).update({one.refers: one.text for one in child.annotations})
    analysed = any(child.kind == _CONFIDENCE for child in tree.children)
    speaker = tree.name if tree.participant is None else tree.participant
    for one in tree.annotations:
        meta = _labels(one.id, below) if analysed else {}
        name, label = below[_ID].get(one.id) or one.id, below[_ANNOTATED].get(one.id)
        yield Item(one.text or None, speaker or None, one.start, one.end, name, label, meta=meta)


def _labels(name: str, below: Mapping[str, Mapping[str | None, str]]) -> dict[str, str | float | None]:
    share = below[_CONFIDENCE].get(name, "")
    confidence = float(share) if re.fullmatch(r"\d(\.\d+)?", share) else None
    found: dict[str, str | float | None] = {"predicted": below[_LABEL].get(name) or None, "confidence": confidence}
    if label := below[_CORRECTED].get(name, "").strip():
        found["corrected"] = None if label == _REJECTED else label
    if note := below[NOTE].get(name):
        found[NOTE] = note
    return found


def _tier(path: Path, tier: ElementTree.Element, slots: Mapping[str | None, float | None]) -> Tier:
    annotations = []
    for element in tier.iterfind("ANNOTATION/*"):
        for key in () if element.tag == "REF_ANNOTATION" else ("TIME_SLOT_REF1", "TIME_SLOT_REF2"):
            if element.get(key) not in slots:
                raise FormatError(
                    f"{path.name}: annotation {shown(element.get('ANNOTATION_ID'))} refers to the time slot "
                    f"{shown(element.get(key))}, which does not exist: open and save the file in ELAN"
                )
        annotations.append(annotation(element, slots))
    kind, name = tier.get("LINGUISTIC_TYPE_REF", ""), tier.get("TIER_ID", "")
    return Tier(name, kind, tier.get("PARTICIPANT"), tier.get("PARENT_REF"), annotations)


def _slots(path: Path, root: ElementTree.Element) -> dict[str | None, float | None]:
    """Seconds by time slot; slots without a value lie evenly between those that have one."""
    found: dict[str | None, float | None] = {}
    waiting: list[str | None] = []
    last: float | None = None
    for slot in root.iterfind("TIME_ORDER/TIME_SLOT"):
        name, value = slot.get("TIME_SLOT_ID"), slot.get("TIME_VALUE")
        if value is None:
            found[name] = None
            waiting.append(name)
            continue
        found[name] = now = _seconds(path, name, value)
        if last is not None:
            step = (now - last) / (len(waiting) + 1)
            found |= {empty: round(last + step * place, 3) for place, empty in enumerate(waiting, 1)}
        waiting, last = [], now
    return found


def _seconds(path: Path, slot: str | None, value: str) -> float:
    if not re.fullmatch(r"\s*-?\d{1,15}\s*", value):
        raise FormatError(
            f"{path.name}: time slot {shown(slot)} is '{shown(value)}', expected whole milliseconds, at most 15 "
            "digits: open and save the file in ELAN"
        )
    return int(value) / 1000
