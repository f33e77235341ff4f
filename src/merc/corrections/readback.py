"""Corrections that were made in ELAN or in a spreadsheet: a file that merc wrote, as somebody changed it."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from merc import formats
from merc.conversation import Timeline, Utterance
from merc.corrections import bounds
from merc.edits import Assign, Change, Merge, Note, Relabel, Rename, Retime, Rewrite, names, predicted_label
from merc.errors import InputError
from merc.formats import clock, written
from merc.formats.table import NOTE

T = TypeVar("T")

READABLE = (".csv", ".eaf", ".json", ".parquet", ".tsv", ".vtt", ".xlsx")
"""Formats with the ids of utterances, so that each correction finds the one that it is about."""

_CORRECTED = "corrected"


def changes_in(path: Path, timeline: Timeline) -> list[Change]:
    """What somebody changed in a file that merc wrote from a timeline.

    The corrected layer is written in the format of the file and read back, so that what the format cannot hold is no
    difference. Speakers, words, times, labels and notes count. A speaker who has another name throughout is renamed, or
    merged with the one who has this name. A new utterance within the time of another is a part that was cut off; one
    that is gone, and over whose time or words another has grown, was joined with it. Of a timeline in JSON that extends
    the edits of the same results, the changes are those of its further edits.

    Args:
        path: A file in one of the formats of ``READABLE``, or the folder of another annotator's results.
        timeline: The timeline that it was written from.

    Returns:
        The changes, in an order in which each fits the timeline that those before it make.

    Raises:
        InputError: If the format has no ids, ids are repeated, utterances are new or gone otherwise, or one lost its
            speaker or time.
        FormatError: If the file is malformed.

    Example:
        >>> from merc.conversation import Recording
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     changes_in(formats.write(timeline := Timeline(recording, (), ()), f"{folder}/talk.json"), timeline)
        []
    """
    path = path / written.TIMELINE if path.is_dir() else path
    if path.suffix.lower() not in READABLE:
        raise InputError(
            f"{path.name} has no ids of utterances that corrections could be read by: expected one of "
            f"{', '.join(READABLE)}, as 'merc export' writes it"
        )
    found = formats.read(path)
    if isinstance(found, Timeline) and (further := _further(found, timeline)) is not None:
        return further
    hold = _held if isinstance(found, Timeline) else partial(_written, suffix=path.suffix)
    after = _held(found.corrected) if isinstance(found, Timeline) else {one.id: one for one in found}
    _require_own_ids(path.name, after.values())
    return _differences(path.name, timeline.corrected, hold, after)


def _further(found: Timeline, timeline: Timeline) -> list[Change] | None:
    """The changes of the edits that a timeline has beyond those of another; None if it does not extend them."""
    count = len(timeline.edits)
    if replace(found, edits=found.edits[:count]) != timeline:
        return None
    return [edit.change for edit in found.edits[count:]]


def _held(view: Timeline) -> dict[str, Utterance]:
    """Utterances with their labels in ``meta``, as other formats are read."""
    found = {}
    for one, guess in view:
        meta: dict[str, Any] = {"predicted": predicted_label(guess)}
        if guess.correction:
            meta[_CORRECTED] = guess.label
        if NOTE in one.meta:
            meta[NOTE] = one.meta[NOTE]
        found[one.id] = replace(one, meta=meta)
    return found


def _written(view: Timeline, suffix: str) -> dict[str, Utterance]:
    """The corrected layer as the format holds it; empty where the format can hold none of its utterances."""
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(view, Path(folder) / f"before{suffix}")
        found = formats.read(path)
        return {one.id: one for one in (found.conversation if isinstance(found, Timeline) else found)}


def _require_own_ids(name: str, rows: Iterable[Utterance]) -> None:
    """Readers number the utterances anew where ids are repeated, and keep those of the file in ``meta``."""
    for one in rows:
        if "id" in one.meta:
            raise InputError(
                f"{name} has ids that are repeated or empty: expected an id of its own for each utterance, such as "
                f"'{one.meta['id']}.2' for a part that was cut off '{one.meta['id']}'"
            )


def _differences(
    name: str, view: Timeline, hold: Callable[[Timeline], dict[str, Utterance]], after: dict[str, Utterance]
) -> list[Change]:
    """All changes, in an order in which each fits the results of those before."""

    def known() -> dict[str, Utterance]:
        return _held(view) | hold(view)  # an utterance that the format could not hold may have got a time in the file

    def take(step: list[Change]) -> None:
        nonlocal view
        view = bounds.applied(view, step)
        found.extend(step)

    def changes(ids: Iterable[str]) -> list[Change]:
        now = known()
        return [
            one for name in ids for one in _changes(now[name], after[name], _label(original[origins.get(name, name)]))
        ]

    def unite(kept: str, gone: list[str]) -> str:
        step, whole = bounds.join(view, kept, gone, _label(after[kept]))
        take(step)
        after[whole] = after.pop(kept)
        return whole

    found: list[Change] = []
    original = known()
    step, origins = bounds.cuts(name, view, after)
    take(step)
    waiting: dict[str, list[str]] = {}
    for kept, gone in bounds.joined(name, hold(view), known(), after).items():
        try:
            unite(kept, gone)
        except InputError:  # what is between them has another speaker or time in the file
            waiting[kept] = gone
    new = bounds.speakers(view, known(), after)
    take([Merge((now, old)) if now in names(view) else Rename(old, now) for old, now in new.items()])
    take(changes(one for one in after if one not in waiting))
    for kept, gone in waiting.items():
        who, now = after[kept].speaker, known()
        take([Assign(one, who) for one in (kept, *gone) if who and now[one].speaker != who])
        take(changes([unite(kept, gone)]))
    return found


def _changes(old: Utterance, new: Utterance, label: str | None) -> Iterator[Change]:
    """The changes of one utterance.

    Args:
        old: As it is.
        new: As the file has it.
        label: What it had before it was cut or joined; a file that still has it was not corrected in this.
    """
    if new.speaker != old.speaker:
        yield Assign(
            old.id, _kept(new.speaker, f"utterance {old.id} has lost its speaker '{old.speaker}': expected a name")
        )
    if (new.text or "") != (old.text or ""):
        yield Rewrite(old.id, new.text or "")
    if new.segment != old.segment:
        lost = f"utterance {old.id} has lost its times, or they are not usable: expected start < end"
        start, end = clock.milliseconds(_kept(new.segment, lost))
        yield Retime(old.id, start / 1000, end / 1000)
    if _decided(old, new, label):
        yield Relabel(old.id, _label(new))
    if (note := new.meta.get(NOTE)) != old.meta.get(NOTE):
        yield Note(old.id, str(note or ""))


def _kept(value: T | None, message: str) -> T:
    if value is None:
        raise InputError(message)
    return value


def _decided(old: Utterance, new: Utterance, label: str | None) -> bool:
    """Whether a person set or rejected the label of an utterance, or confirmed the predicted one."""
    if _CORRECTED in new.meta:
        return _CORRECTED not in old.meta or _label(new) != _label(old)
    return _label(new) not in (_label(old), label)


def _label(one: Utterance) -> Any:
    """The label that counts in a file: of a person, or else of the model, or else as annotated; None: no label."""
    for key in (_CORRECTED, "predicted"):
        if key in one.meta:
            return one.meta[key]
    return one.label
