"""Edits: what people changed in a timeline, in order, next to what the model predicted.

A timeline keeps its utterances and predictions as they were analysed, and a list of edits. ``timeline.corrected``
applies the edits one after the other; undoing is dropping the last ones. Each edit names who made it and when.

>>> from merc.conversation import Prediction, Recording, Segment, Timeline, Utterance
>>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
>>> joy = Prediction({"joy": 0.75, "neutral": 0.25}, "joy", 0.75, abstained=False)
>>> timeline = Timeline(recording, (Utterance("u1", "Speaker 1", "How nice!", Segment(0.5, 1.5)),), (joy,))
>>> changed = edited(timeline, Rename("Speaker 1", "Ann"), Relabel("u1", "surprise"), by="Eve")
>>> [(utterance.speaker, prediction.label) for utterance, prediction in changed.corrected]
[('Ann', 'surprise')]
>>> [(utterance.speaker, prediction.label) for utterance, prediction in changed]
[('Speaker 1', 'joy')]
>>> undone(changed) == timeline
True
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeAlias

from merc.conversation import Timeline
from merc.edits.changes import Assign, Correction, Merge, Note, Relabel, Rename, Retime, Rewrite
from merc.edits.parts import ESTIMATED, Join, Split, made_whole
from merc.edits.view import filled, names, position, predicted_label
from merc.errors import InputError

__all__ = [
    "ESTIMATED",
    "Assign",
    "Change",
    "Correction",
    "Edit",
    "Join",
    "Merge",
    "Note",
    "Relabel",
    "Rename",
    "Retime",
    "Rewrite",
    "Split",
    "applied",
    "corrected",
    "edited",
    "names",
    "position",
    "predicted_label",
    "undone",
]

Change: TypeAlias = Rename | Merge | Relabel | Rewrite | Assign | Retime | Split | Join | Note
"""What an edit does."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A change with the name of who made it.

    Args:
        change: What it does.
        by: Who made it.
        at: When: ISO 8601, in UTC. Edits that were made together share it, and are undone together.

    Example:
        >>> Edit(Rename("Speaker 1", "Ann"), by="Eve", at="2026-01-31T10:00:00.000Z").change.sentence
        "speaker 'Speaker 1' is 'Ann'"
    """

    change: Change
    by: str
    at: str


def edited(timeline: Timeline, *changes: Change, by: str, at: str | None = None) -> Timeline:
    """A timeline with further edits.

    Args:
        timeline: Any timeline; its utterances and predictions stay.
        changes: In order; ids and names are those of the timeline as corrected by the edits before.
        *changes: In order; ids and names are those of the timeline as corrected by the edits before.
        by: Who makes them.
        at: When (default: now).

    Returns:
        A timeline with the same utterances and predictions and a longer list of edits.

    Raises:
        InputError: If a change names an utterance, speaker or label that does not exist, or cannot be made.

    Example:
        >>> from merc.conversation import Prediction, Recording, Utterance
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> timeline = Timeline(recording, (Utterance("u1", "A"),), (Prediction(None, None, 0.0, abstained=True),))
        >>> edited(timeline, Rename("A", "Ann"), by="Eve").corrected.utterances[0].speaker
        'Ann'
    """
    who = filled("name of who makes an edit", by)
    when = at or datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    made = replace(timeline, edits=(*timeline.edits, *(Edit(change, who, when) for change in changes)))
    corrected(made)
    return made


def undone(timeline: Timeline) -> Timeline:
    """A timeline without its last edit, and without those that were made together with it.

    Args:
        timeline: One with edits.

    Returns:
        A timeline with the edits before; its utterances and predictions are the same.

    Raises:
        InputError: If there is no edit.

    Example:
        >>> from merc.conversation import Recording
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> edit = Edit(Note("u1", "louder"), by="Eve", at="2026-01-31T10:00:00.000Z")
        >>> undone(Timeline(recording, (), (), edits=(edit,))).edits
        ()
    """
    if not timeline.edits:
        raise InputError(f"{timeline.recording.name} has no edit that could be undone")
    last = timeline.edits[-1]
    count = len(timeline.edits)
    while count and (timeline.edits[count - 1].by, timeline.edits[count - 1].at) == (last.by, last.at):
        count -= 1
    return replace(timeline, edits=timeline.edits[:count])


def corrected(timeline: Timeline) -> Timeline:
    """A timeline as its edits make it.

    Args:
        timeline: Any timeline.

    Returns:
        One without a list of edits; the same object where there are none. A prediction has the label of a person where
        there is a ``correction``; probabilities, confidence and evidence are always the model's.

    Raises:
        InputError: If an edit does not fit the timeline.

    Example:
        >>> from merc.conversation import Recording
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> timeline = Timeline(recording, (), ())
        >>> corrected(timeline) is timeline
        True
    """
    view = replace(timeline, edits=()) if timeline.edits else timeline
    for edit in timeline.edits:
        view = applied(edit, view, timeline)
    return view


def applied(edit: Edit, view: Timeline, judged: Timeline) -> Timeline:
    """A corrected timeline after one more edit.

    Args:
        edit: What is changed.
        view: As the edits before make it.
        judged: As the model judged it.

    Returns:
        The timeline after the change, without a list of edits.

    Raises:
        InputError: If the edit does not fit.

    Example:
        >>> from merc.conversation import Prediction, Recording, Utterance
        >>> recording = Recording("talk.wav", "0" * 64, duration=2.0, has_audio=True, has_video=False)
        >>> view = Timeline(recording, (Utterance("u1", "A"),), (Prediction(None, None, 0.0, abstained=True),))
        >>> applied(Edit(Assign("u1", "Ben"), by="Eve", at=""), view, view).utterances[0].speaker
        'Ben'
    """
    view = edit.change.applied(view, edit)
    return made_whole(view, judged) if isinstance(edit.change, Join) and edit.change.of_one else view
