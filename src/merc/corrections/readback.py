"""Corrections that were made in ELAN or in a spreadsheet: a file that merc wrote, as somebody changed it."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from merc import formats
from merc.conversation import Conversation, Timeline, Utterance
from merc.edits import Assign, Change, Note, Relabel, Rename, Retime, Rewrite, names
from merc.errors import InputError
from merc.formats import clock
from merc.formats.table import NOTE

READABLE = (".csv", ".eaf", ".parquet", ".tsv", ".vtt", ".xlsx")
"""Formats with the ids of utterances, so that each correction finds the one that it is about."""


def changes_in(path: Path, timeline: Timeline) -> list[Change]:
    """What somebody changed in a file that merc wrote from a timeline.

    The corrected layer is written in the format of the file and read back, so that what the format cannot hold is no
    difference. Speakers, words, times, labels and notes count; a speaker who has another name throughout is renamed.

    Args:
        path: A file in one of the formats of ``READABLE``.
        timeline: The timeline that it was written from.

    Raises:
        InputError: If the format has no ids, utterances were added or removed, or one lost its speaker or time.
        FormatError: If the file is malformed.
    """
    if path.suffix.lower() not in READABLE:
        raise InputError(
            f"{path.name} has no ids of utterances that corrections could be read by: expected one of "
            f"{', '.join(READABLE)}, as 'merc export' writes it"
        )
    view = timeline.corrected
    before, after = _written(view, path.suffix), {one.id: one for one in _conversation(path)}
    _require_same(path.name, before, after)
    renamed = dict(_renamed(view, before, after))
    found: list[Change] = [Rename(old, new) for old, new in renamed.items()]
    for name, old in before.items():
        found.extend(_changes(old, after[name], renamed))
    return found


def _written(view: Timeline, suffix: str) -> dict[str, Utterance]:
    """The corrected layer as the format holds it; empty where the format can hold none of its utterances."""
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(view, Path(folder) / f"before{suffix}")
        return {one.id: one for one in _conversation(path)}


def _conversation(path: Path) -> Conversation:
    found = formats.read(path)
    return found.conversation if isinstance(found, Timeline) else found


def _require_same(name: str, before: Mapping[str, Utterance], after: Mapping[str, Utterance]) -> None:
    if added := [one for one in after if one not in before]:
        raise InputError(
            f"{name} has the utterance '{added[0]}', which the results do not have: expected the ids as exported; "
            "split utterances with 'merc edit --split'"
        )
    if removed := [one for one in before if one not in after]:
        raise InputError(
            f"{name} lacks the utterance '{removed[0]}' of the results: expected all of them; reject its label, or "
            "join utterances with 'merc edit --join'"
        )


def _renamed(
    view: Timeline, before: Mapping[str, Utterance], after: Mapping[str, Utterance]
) -> Iterator[tuple[str, str]]:
    """Speakers whose utterances all have one other name, which nobody has yet."""
    new: dict[str, set[str | None]] = defaultdict(set)
    for name, old in before.items():
        if old.speaker is not None:
            new[old.speaker].add(after[name].speaker)
    taken = set(names(view))
    for speaker, now in new.items():
        [only, *others] = now
        if not others and only is not None and only not in taken and speaker in taken:
            taken.add(only)
            yield speaker, only


def _changes(old: Utterance, new: Utterance, renamed: Mapping[str, str]) -> Iterator[Change]:
    """The changes of one utterance."""
    if new.speaker != renamed.get(old.speaker or "", old.speaker):
        if new.speaker is None:
            raise InputError(f"utterance {old.id} has lost its speaker '{old.speaker}': expected a name")
        yield Assign(old.id, new.speaker)
    if (new.text or "") != (old.text or ""):
        yield Rewrite(old.id, new.text or "")
    if new.segment != old.segment:
        if new.segment is None:
            raise InputError(f"utterance {old.id} has lost its times, or they are not usable: expected start < end")
        start, end = clock.milliseconds(new.segment)
        yield Retime(old.id, start / 1000, end / 1000)
    if (label := _label(new)) != _label(old):
        yield Relabel(old.id, label)
    if (note := new.meta.get(NOTE)) != old.meta.get(NOTE):
        yield Note(old.id, str(note or ""))


def _label(one: Utterance) -> Any:
    """The label that counts in a file: of a person, or else of the model, or else as annotated; None: no label."""
    meta = one.meta
    for key in ("corrected", "predicted"):
        if key in meta:
            return meta[key]
    return one.label
